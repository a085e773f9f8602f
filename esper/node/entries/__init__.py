"""Entries that may be mined: which to load and when, who works for them, and which to mine."""
