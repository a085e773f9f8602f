"""The gateway's part of the chain: its account, its calls on their way, and their receipts."""
