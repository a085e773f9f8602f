"""A miner's workers at one moment, in the numbers that operators watch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerSample:
    """One worker after the other in one slot. What is counted is counted since the start."""

    where: str
    """``farm`` or ``here``."""
    kind: str
    """``search``, ``prove`` or ``calls``."""
    slot: int
    """At most as many as workers at one time."""
    is_ready: bool
    """Whether a worker is there that has loaded what it needs."""
    attempts: int
    """Of searches."""
    tokens: int
    """Rows of the model, of searches."""
    proofs: int
    """That were given; of the farm's those that held."""
    busy_seconds: float
    """Time of work."""
    restarts: int
    """Workers that came after one that was lost."""


@dataclass(frozen=True, slots=True)
class FarmSample:
    """The cluster of a farm, since the node's start."""

    is_up: bool
    """Whether it can be asked for workers."""
    starts: int
    """How often it was joined."""
    lost: int
    """Workers that died."""
    replaced: int
    """Workers that were ended because they were at fault."""
