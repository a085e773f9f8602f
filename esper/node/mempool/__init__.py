"""The mempool beside the chain."""
