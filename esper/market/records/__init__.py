"""What parties of the market sign and commit to: formats, digests, roots and paths."""
