"""What peers say of their chains, and how many blocks each of them may be asked for.

A claim costs nothing to make: it decides whom to ask for headers next, and nothing else.
"""

from dataclasses import dataclass
from typing import Final

from esper.p2p.peer import Peer
from esper.p2p.wire.fields import Claim

VOID_MS: Final = 600_000
"""So long a claim that brought nothing, or whose blocks did not come, is not followed."""
LEAST_IN_FLIGHT: Final = 2
MOST_IN_FLIGHT: Final = 8
PAUSE_MS: Final = 1_000
"""After a refusal of a whole request: the peer is busy."""
LATE_PAUSE_MS: Final = 10_000
HINT_EVERY_MS: Final = 10_000
"""Unknown parents lead to one request for headers in so long, unless the last brought news."""
FUTURE_AGAIN_MS: Final = 10_000
"""When headers ahead of our clock are looked at again."""

# Half of what a peer serves: the other half is for relay. A request costs 1, a part 1/20.
COST_PER_S: Final = 10.0
COST_BURST: Final = 30.0
HEADERS_COST: Final = 4.0


def blocks_cost(blocks: int) -> float:
    """Of a request for bodies and proofs."""
    return 1.0 + blocks / 10


@dataclass(slots=True)
class SyncPeer:
    """A peer as sync sees it."""

    peer: Peer
    """Who."""
    proofs_from: int
    """The lowest height that it has the proof of, as far as is known."""
    claim: Claim | None = None
    """The tip it last said."""
    claimed_ms: int = 0
    """When it first said that one."""
    void_until: int = 0
    """Until when its claims are not followed."""
    hint_ms: int | None = None
    """When a header came whose parent is not known here; None: it was asked about that."""
    hint_height: int = 0
    """Of that header."""
    hinted_until: int = 0
    """Until when hints wait."""
    headers_open: int = 0
    """Open requests for headers."""
    in_flight: int = 0
    """Blocks asked of it."""
    allowed: int = LEAST_IN_FLIGHT
    """Blocks that may be asked of it at a time."""
    paused_until: int = 0
    """Until when it is asked for nothing."""
    lacks_from: int | None = None
    """The lowest height of the current branch whose block it does not know."""
    waits_until: int = 0
    """Until when it is not asked again: it has what a lead has, or left the branch it gave."""
    waits_for: int | None = None
    """The lead whose end ends that."""
    turns: int = 0
    """Leads of its that made room for others."""
    parted_deep: bool = False
    """Whether its chain was last seen to part from ours deeper than the undo depth."""
    ahead_of_clock: bool = False
    """Whether its last headers ended with one that lies ahead of our clock."""
    future_until: int = 0
    """Until when that one is not looked at again."""
    _credit: float = COST_BURST
    _credited_ms: int = 0

    def says(self, claim: Claim, now: int) -> None:
        """Its tip."""
        if claim != self.claim:
            self.claim = claim
            self.claimed_ms = now
            self.lacks_from = None

    def wait_for(self, lead: int | None, until: int) -> None:
        """It is not asked again until a time, or until a lead has ended."""
        self.waits_for, self.waits_until = lead, until

    def looked_ahead(self, future: bool, now: int) -> None:
        """Its headers were read; ``future``: up to one ahead of our clock."""
        self.ahead_of_clock = future
        if future:
            self.future_until = now + FUTURE_AGAIN_MS

    @property
    def busy_headers(self) -> bool:
        """Whether a request for headers is open."""
        return self.headers_open > 0

    @property
    def height(self) -> int:
        """The greatest height that it spoke of."""
        return max(self.claim.height if self.claim else 0, self.hint_height)

    def may_spend(self, cost: float, now: int) -> bool:
        """Whether a request of a cost is within what it serves."""
        return self._credit_at(now) >= cost

    def spend(self, cost: float, now: int) -> None:
        """A request goes out."""
        self._credit = self._credit_at(now) - cost
        self._credited_ms = now

    def affordable_at(self, cost: float, now: int) -> int:
        """When a request of a cost is within what it serves."""
        lacking = cost - self._credit_at(now)
        return now if lacking <= 0 else now + int(lacking * 1_000 / COST_PER_S) + 1

    def _credit_at(self, now: int) -> float:
        passed = max(0, now - self._credited_ms)
        return min(COST_BURST, self._credit + passed * COST_PER_S / 1_000)

    def can_give(self, height: int, now: int, *, proof: bool = True) -> bool:
        """Whether the block of a height may be asked of it, its ``proof`` too if so."""
        if now < self.paused_until or self.height < height:
            return False
        if proof and self.proofs_from > height:
            return False
        return self.lacks_from is None or height < self.lacks_from

    def on_time(self) -> None:
        """A block came."""
        self.allowed = min(MOST_IN_FLIGHT, self.allowed + 1)

    def late(self, now: int) -> None:
        """A request ended late."""
        self.allowed = max(LEAST_IN_FLIGHT, self.allowed // 2)
        self.paused_until = max(self.paused_until, now + LATE_PAUSE_MS)
