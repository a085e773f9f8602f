"""Benchmarks: their texts, the suites of token ids made from them, and what a model gets right.

What a suite is and what counts as right, ``esper.dao.benchmarks`` says. Here is what needs files,
a tokenizer and a model.
"""
