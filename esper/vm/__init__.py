"""State and transactions as pure functions: what an account may do and what it leaves behind."""
