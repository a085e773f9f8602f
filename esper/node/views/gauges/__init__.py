"""The node in numbers, for metrics and health checks."""
