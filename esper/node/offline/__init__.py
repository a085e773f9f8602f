"""Work on a chain's files while no node runs."""
