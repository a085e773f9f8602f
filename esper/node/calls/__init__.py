"""Calls from the mempool to proven groups, and text for them."""
