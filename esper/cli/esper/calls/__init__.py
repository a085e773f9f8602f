"""Commands that ask a model of the chain, and check what it answered."""
