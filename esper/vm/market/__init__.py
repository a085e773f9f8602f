"""The instant market on chain: its state, and what its kinds of transaction do to it."""
