"""Signing in to the console with a link that is good once."""
