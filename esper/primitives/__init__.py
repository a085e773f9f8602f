"""Types, units, parameters, bytes, hashes and errors: what everything else stands on.

Imports nothing of ours; knows no clock, no randomness, no input or output and no float.
"""
