"""Webhooks: what became of a key's calls, told to its operator's URL."""
