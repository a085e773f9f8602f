"""The node's clock, as an argument of whatever needs the time."""

from collections.abc import Callable

Clock = Callable[[], int]
"""Milliseconds since 1970."""
