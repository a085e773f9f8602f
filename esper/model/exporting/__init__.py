"""From a float checkpoint to the integer model that nodes run, and what both say of it."""
