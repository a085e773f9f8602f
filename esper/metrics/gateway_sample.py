"""A gateway at one moment, in the numbers that operators watch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Steps:
    """How often something took how long."""

    ends_s: tuple[float, ...]
    """Upper ends of the steps in seconds, upwards; one more step has none."""
    counts: tuple[int, ...]
    """Times within each, those below not counted: one more than ``ends_s``."""
    sum_s: float
    """Of all times."""


@dataclass(frozen=True, slots=True)
class GatewaySample:
    """Everything that is told of a gateway. What is counted is counted since the start."""

    requests: Mapping[tuple[str, str], int]
    """By endpoint and code."""
    queue: Steps
    first: Steps
    """Until the first token."""
    tokens: Mapping[str, int]
    """By kind: prompt, answer."""
    streams: int
    """Open now."""
    slots_used: int
    waiting: int
    """Requests before the slots."""
    backlog_calls: int
    """Calls that are still to be sent into the chain."""
    receipts: Mapping[str, int]
    """Calls that are followed, by status."""
    disagreements: int
    credits_burned: int
    """Micro-credits."""
