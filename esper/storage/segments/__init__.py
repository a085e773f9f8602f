"""Append-only files with checksums: the journal of blocks, and proofs."""
