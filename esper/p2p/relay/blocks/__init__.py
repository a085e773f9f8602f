"""What the relay of blocks is made of."""
