"""Benchmarks of proposed models: what suites ask, and what counts as right. All pure.

A suite is a list of items of one form, named by the hash of what it is made of. Whoever reports on
a model says of each item whether the model gets it right; single items are then proven. Whether a
suite is the text that it is said to be made from, people check: consensus never tokenises.
"""
