"""The commands `esper` (models and proofs) and `esperd` (the node)."""
