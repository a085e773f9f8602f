"""What proofs of a model will take, from its shape alone: before there is a model."""
