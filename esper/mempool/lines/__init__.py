"""What waits of one sender, in the order of its nonces, and what comes before it."""
