"""The chain of a node: who holds it, who reads it, what follows it."""
