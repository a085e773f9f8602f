"""`esper console`."""
