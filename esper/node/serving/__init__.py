"""Models that answer people at once: a process for each, behind the gateway's port to an engine."""
