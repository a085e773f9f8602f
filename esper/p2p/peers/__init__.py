"""Which peers there are, which are connected, and which are kept away."""
