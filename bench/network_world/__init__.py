"""One simulation of the whole network: links, relay, miners on tiers, targets and fork choice.

``python -m bench.network_world`` runs the experiments; docs/network-simulation.md says what they
show and what is assumed.
"""
