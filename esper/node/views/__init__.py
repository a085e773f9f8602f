"""What the node answers over RPC."""
