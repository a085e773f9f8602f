"""A model's package: its files as chunks with one root, made, fetched, kept and checked."""
