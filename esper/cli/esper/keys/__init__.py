"""`esper key`: who may use a node's gateway, and how much."""
