"""Measurements of this machine: `make bench` writes RESULTS.md."""
