"""Searches whose engine is fed: sequences come and go, and the engine stays full."""
