"""Checking a block's signatures on all processors."""
