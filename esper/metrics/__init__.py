"""What Prometheus and health checks read of a node; it knows the node by a port alone."""
