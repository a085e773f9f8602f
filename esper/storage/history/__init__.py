"""The index of transactions, addresses and calls."""
