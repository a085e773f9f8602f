"""The commands `esper` (wallet, models and proofs) and `esperd` (the node)."""
