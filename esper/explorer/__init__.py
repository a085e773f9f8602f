"""Pages that show the chain to browsers: made whole by the node, readable without scripts."""
