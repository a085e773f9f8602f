"""Chat templates: a stranger's program that lays out messages, run within limits."""
