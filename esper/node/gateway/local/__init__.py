"""The same API without a chain, for one user."""
