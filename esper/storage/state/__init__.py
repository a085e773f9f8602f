"""The state tree and the records beside it."""
