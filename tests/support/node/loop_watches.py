"""A watch of the event loop that has seen what a test says."""


class LateWatch:
    """Its last turn was late."""

    lag_ms = 1500
