"""From a float checkpoint to the integer model that nodes run, and what that cost."""
