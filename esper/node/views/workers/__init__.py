"""Who searches and proves for a miner, as people and metrics see it."""
