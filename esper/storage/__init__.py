"""Files of the node: append-only segments with checksums."""
