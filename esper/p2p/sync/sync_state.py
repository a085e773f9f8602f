"""What sync says of itself, to the node and to people."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

from esper.p2p.sync.board import Board

OVER_MS: Final = 30_000
"""The pace is measured over this time."""
NEAR_BLOCKS: Final = 2
"""A node is near if it knows of no branch that reaches further beyond its tip."""


class Phase(Enum):
    """What sync is about."""

    ASKING = "asking"
    """It listens to what peers claim."""
    HEADERS = "headers"
    """It has headers, or asks for some, and no blocks of theirs yet."""
    BLOCKS = "blocks"
    """It fetches blocks."""
    NEAR = "near"
    """It knows of nothing further than a block or two beyond its tip."""
    HALTED = "halted"
    """It needs its operator: it serves, and neither follows nor mines."""


@dataclass(frozen=True, slots=True)
class SyncState:
    """What is true now."""

    phase: Phase
    """What it is about."""
    near: bool
    """Whether no lead reaches more than two blocks beyond the tip."""
    parted: bool
    """Whether half of the outbound peers follow chains that a synced node cannot go back to."""
    busy: bool
    """Whether relay and mining wait: another branch is being proven at a good pace."""
    owed: int
    """Branches that are still to be tried before the node can call itself synced."""
    settled: bool
    """Near, not busy, nothing owed, and some outbound peer, or alone by setting: whether it is
    synced depends on the tip's age and weight alone."""
    height: int
    """Of our tip."""
    target_height: int
    """Where the chain that is followed ends, as its giver says; our own height if none is."""
    blocks_per_s: float
    """Over the last half minute."""
    seconds_left: int | None
    """At that pace; None if there is none or nothing is left."""
    words: str
    """A phrase for people: what it does; where something hinders it, the cause and a remedy."""


class Pace:
    """How fast the tip rises."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=64)

    def at(self, height: int, now: int) -> None:
        """The tip's height; kept each half second at most."""
        if self._seen and now - self._seen[-1][0] < OVER_MS // 60:
            self._seen[-1] = (self._seen[-1][0], height)
            return
        self._seen.append((now, height))

    def blocks_per_s(self, now: int) -> float:
        """0 if it did not rise."""
        while len(self._seen) > 1 and now - self._seen[0][0] > OVER_MS:
            self._seen.popleft()
        if not self._seen or now <= self._seen[0][0]:
            return 0.0
        began, height = self._seen[0]
        return max(0, self._seen[-1][1] - height) * 1_000 / (now - began)


def blocks_left(board: Board) -> int:
    """How far the furthest lead's headers reach beyond our tip; only what was checked counts."""
    tops = [lead.branch.top.height for lead in board.leads if lead.fetching]
    return max(tops, default=0) - board.chain.tip.height


def target_height(board: Board) -> int:
    """Where the lead ends, as its giver says."""
    heights = [board.chain.tip.height]
    for lead in board.leads:
        heights.append(lead.branch.top.height)
        giver = board.peers.get(lead.giver)
        if giver is not None and giver.claim is not None:
            heights.append(giver.claim.height)
    return max(heights)
