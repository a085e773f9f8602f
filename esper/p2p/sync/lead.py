"""A header branch that is fetched: its headers, its blocks, and who gave the headers."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import ChainPort
from esper.p2p.sync.blocks.block_window import BlockWindow
from esper.p2p.sync.headers.header_branch import HeaderBranch, Link
from esper.p2p.wire.fields import Claim

STALLED_MS: Final = 30_000
"""Without a proof for so long a branch and its giver are set aside."""
MOST_AT_ONCE: Final = 64
"""Headers that are asked for at a time: half of what may be, for they are checked on the event
loop, a third of a millisecond each."""
BRISK_PROOFS: Final = 3
"""So many proven blocks within STALLED_MS, and a branch is worth waiting for."""


@dataclass(slots=True)
class Lead:
    """One branch on its way."""

    serial: int
    """Its name among leads."""
    giver: PeerNumber
    """Who gave its headers, and answers for them."""
    branch: HeaderBranch
    """Its headers."""
    window: BlockWindow
    """Its blocks."""
    began_ms: int
    """When its first headers came."""
    fetching: bool = False
    """Whether its blocks are asked for; else its headers must show first that it weighs."""
    long: bool = False
    """Whether it is fetched on its giver's word for its weight, in windows."""
    owed: bool = False
    """Whether it parts from our chain deeper than the chain itself would change, and is tried."""
    patience_ms: int = STALLED_MS
    """Without a proof for so long it is set aside."""
    complete: Claim | None = None
    """What the giver claimed when it had no more headers; None: there may be more."""
    orphaned: bool = False
    """Whether its giver is gone: it is followed as far as its headers are here."""
    asked: Hashable | None = None
    """The open request for headers."""
    adopting: bool = False
    """Whether blocks of it are with the chain."""
    progress_ms: int = 0
    """When a block was proven last, or last was not for its peers to bring."""
    proofs: deque[int] = field(default_factory=lambda: deque(maxlen=BRISK_PROOFS))
    """When the last blocks became part of the tree."""
    brought: int = 0
    """Blocks that became part of the tree."""
    retry_ms: int = 0
    """Not judged or adopted before: this machine had trouble."""

    def append(self, link: Link) -> None:
        """A header and the wish for its block."""
        self.branch.append(link)
        self.window.want(link.height)

    def catch_up(self, chain: ChainPort, now: int) -> tuple[tuple[PeerNumber, int], ...]:
        """Move the base over blocks that the tree has; who is still asked for which of them."""
        asked: list[tuple[PeerNumber, int]] = []
        if chain.height_on_chain(self.branch.base.tip_id) is not None:
            self.branch.fork = self.branch.base
        while (link := self.branch.get(self.branch.base.height + 1)) is not None:
            if chain.headers_of(link.block_id) is None:
                break
            self.branch.prove_next()
            asked += [(peer, link.height) for peer in self.window.remove(link.height)]
            self.proofs.append(now)
            self.brought += 1
            self.progress_ms = now
            if chain.height_on_chain(link.block_id) is not None:
                self.branch.fork = self.branch.base
        here = chain.headers_of(self.branch.base.tip_id)
        if here is not None:
            self.branch.tell(here)
        return tuple(asked)

    def most_headers(self, limits: NetworkLimits) -> int:
        """How many headers more it may hold: above its last proven and last executed block."""
        top = self.branch.top
        ahead = self.branch.base.height + limits.ahead
        return min(MOST_AT_ONCE, ahead - top.height, top.horizon - top.height)

    def wants_headers(self, limits: NetworkLimits) -> bool:
        """Whether the next are to be asked for: a quarter is free."""
        if self.asked is not None or self.complete is not None or self.orphaned:
            return False
        free = self.most_headers(limits)
        if not self.fetching or not len(self.branch):
            return free > 0
        return free >= min(MOST_AT_ONCE, max(1, limits.ahead // 4))

    @property
    def done(self) -> bool:
        """Whether nothing of it is left to fetch."""
        return not len(self.branch) and (self.complete is not None or self.orphaned)

    def is_brisk(self, now: int) -> bool:
        """Whether it brought proven blocks just now."""
        return len(self.proofs) == BRISK_PROOFS and now - self.proofs[0] <= STALLED_MS

    def goes_on(self, now: int) -> bool:
        """Whether it brings blocks and its next headers are still to come: it has no end yet."""
        return self.complete is None and not self.orphaned and self.is_brisk(now)
