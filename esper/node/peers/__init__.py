"""What the network needs of this node, and what people see of the network."""
