"""Hidden sets: items that somebody committed to before a model was proposed. All pure.

Who is measured cannot have prepared for what nobody has seen. Whoever committed to a set opens what
the beacon draws of it, and proves what the model answers; the draws are the chain's, so nobody
chooses what is asked.
"""
