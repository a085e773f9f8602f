"""Blocks of the branches that lead: asked for, judged, and given to the chain in order."""
