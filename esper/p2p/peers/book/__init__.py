"""Which nodes there are: addresses, where they come from, and who is told of them."""
