"""Whether relay and mining wait for sync: by proven blocks alone, never by claims or headers."""

from typing import Final

from esper.p2p.ports import ChainPort
from esper.p2p.sync.lead import STALLED_MS, Lead
from esper.p2p.sync.sync_state import NEAR_BLOCKS

SIDE_MS: Final = 600_000
"""Branches beside our chain may keep the node busy for so long ..."""
SIDE_WINDOW_MS: Final = 3_600_000
"""... within this time."""


class Busy:
    """Follows the leads and the time that branches beside our chain take."""

    __slots__ = ("_side_since", "_spent", "_window_began", "now_busy")

    def __init__(self) -> None:
        self.now_busy = False
        self._side_since: int | None = None
        self._spent = 0
        self._window_began = 0

    def update(self, leads: list[Lead], chain: ChainPort, now: int) -> None:
        """Decide anew."""
        if now - self._window_began >= SIDE_WINDOW_MS:
            self._window_began, self._spent = now, 0
            self._side_since = None if self._side_since is None else now
        if self._side_since is not None:
            self._spent += now - self._side_since
            self._side_since = None
        tip = chain.tip
        ahead = [
            lead
            for lead in leads
            if (lead.branch.top.height > tip.height + NEAR_BLOCKS or lead.goes_on(now))
            and lead.is_brisk(now)
        ]
        self.now_busy = any(lead.branch.fork.tip_id == tip.tip_id for lead in ahead)
        if (
            not self.now_busy
            and self._spent < SIDE_MS
            and any(has_half_weight(one, chain) for one in ahead)
        ):
            self.now_busy = True
            self._side_since = now

    def due(self, leads: list[Lead], now: int) -> list[int]:
        """When it may change without an event."""
        if not self.now_busy:
            return []
        times = [lead.proofs[0] + STALLED_MS + 1 for lead in leads if lead.is_brisk(now)]
        if self._side_since is not None:
            times.append(self._side_since + SIDE_MS - self._spent)
        return times


def has_half_weight(lead: Lead, chain: ChainPort) -> bool:
    """Whether its proven blocks weigh at least half of ours each, since the fork."""
    fork, base, tip = lead.branch.fork, lead.branch.base, chain.tip
    theirs, ours = base.height - fork.height, tip.height - fork.height
    return 2 * (base.weight - fork.weight) * ours >= (tip.weight - fork.weight) * theirs
