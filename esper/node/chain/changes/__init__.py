"""How a chain changes: what is known of blocks, and the ways from one tip to another."""
