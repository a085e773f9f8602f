"""Search and proofs in processes of their own."""
