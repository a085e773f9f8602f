"""Rosters: who may be drawn to verify in a slot, by weight.

Bonded providers of the model with Beats in both slots before stand in it, in the order of the
second Beat, each with the lesser of the two loads: what was not opened weighs nothing. A place
holds the sum of all weights up to its own, so that who is drawn is found by halving.
"""

from dataclasses import dataclass
from typing import Final, Protocol

MAX_WEIGHT: Final = (1 << 64) - 1
"""Of a whole roster: what one word of a stream can draw."""


@dataclass(frozen=True, slots=True)
class RosterPlace:
    """A provider that may be drawn."""

    provider: bytes
    """33 bytes: its address."""
    owner: bytes
    """33 bytes: who earns by it."""
    cumulative: int
    """Weight of all places up to this one."""


class Roster(Protocol):
    """The places of one model in one slot."""

    @property
    def count(self) -> int:
        """Places."""

    @property
    def weight(self) -> int:
        """Units of load of all places together."""

    def place(self, index: int) -> RosterPlace:
        """The place with this index, from 0 to ``count`` - 1."""


def beat_weight(load: int, load_before: int, *, bonded: bool, opened: bool) -> int:
    """What a Beat makes its provider weigh in the next slot's roster; 0 for no place in it.

    ``load_before`` is that of its Beat in the slot before, 0 without one; ``opened`` says whether
    this Beat opened a load answer of that one.
    """
    return min(load, load_before) if bonded and opened else 0


def place_behind(weight: int, provider: bytes, owner: bytes, own: int) -> RosterPlace:
    """The next place of a roster that weighs ``weight``; its own is ``own``.

    Raises ValueError for a place of no weight, or a roster that grows too heavy to be drawn from.
    """
    if own < 1 or weight + own > MAX_WEIGHT:
        raise ValueError(f"weight {own} behind {weight}, must be from 1 and fit {MAX_WEIGHT}")
    return RosterPlace(provider, owner, weight + own)


def place_at(roster: Roster, weight: int) -> RosterPlace:
    """Who stands at a weight below the roster's own.

    Found by halving: in 12 reads at most of mainnet's largest roster.
    """
    low, high = 0, roster.count - 1
    while low < high:
        middle = (low + high) // 2
        if weight < roster.place(middle).cumulative:
            high = middle
        else:
            low = middle + 1
    return roster.place(low)
