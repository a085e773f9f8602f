"""`esper dao`: what is proposed, voted and delegated."""
