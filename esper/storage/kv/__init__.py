"""The ordered key-value store below the index."""
