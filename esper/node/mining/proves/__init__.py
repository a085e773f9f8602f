"""Prove transactions that come with their proofs: checked, kept, and put into own blocks."""
