"""The network between nodes: machines that decide, and the tasks that carry out what they decide.

The machines are pure: events in, actions out, time and randomness as arguments. Only ``transport``
and ``service`` know trio, and only ``transport.noise_link`` knows libp2p.
"""
