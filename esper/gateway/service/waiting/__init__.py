"""Who waits, for what, and how much a key may ask: in memory."""
