"""Commands on models and proofs that no chain is needed for."""
