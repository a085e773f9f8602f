"""What runs outside the node: the driver of a cluster, and the workers that it asks for."""
