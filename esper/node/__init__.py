"""The node: where the pure rules meet disk, clock, model and prover."""
