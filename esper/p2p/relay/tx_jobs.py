"""What transaction relay asks of the mempool, and what it hears of it."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Admit:
    """Offer a transaction to the mempool; comes back as a ``Verdict`` or a ``verdicts.Failure``."""

    key: Hashable
    """Its prefix."""
    data: bytes
    """Its bytes, as they came."""


@dataclass(frozen=True, slots=True)
class SelectNext:
    """Find what the next block would take; comes back as a tuple of ``Pooled``."""

    key: Hashable


class Verdict(Enum):
    """What the mempool said of a transaction that it did not refuse."""

    ACCEPTED = "accepted"
    """It waits, and ``admitted`` told of it."""
    KNOWN = "known"
    """It waits already, perhaps with another signature."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """A transaction of the mempool, as far as relay must know it."""

    prefix: bytes
    """First 16 bytes of its wtxid."""
    size: int
    """Its bytes."""
    sender: bytes
    """Its sender's address."""
    nonce: int
    """Its place among its sender's."""
    is_call: bool = False
    """Whether it is a call."""
