"""The rules of the chain as pure functions: no store, clock, randomness, logging, async or float.

Time and everything else from outside are arguments; proofs and inference come in through ``ports``.
"""
