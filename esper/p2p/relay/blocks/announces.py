"""What the relay keeps of each peer: how much it may announce, and which blocks it has."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.limits import (
    ANNOUNCE_BURST,
    ANNOUNCES_PER_S,
    PROOF_BURST,
    PROOFS_PER_S,
)
from esper.p2p.peer import Peer
from esper.primitives.ids import BlockId

KNOWN_BLOCKS: Final = 64
"""Blocks of a peer that are remembered: far more than move while one of them is relayed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An announcement that is looked at once more."""

    header: bytes
    """Canonical bytes, as they came."""
    parent: BlockId | None
    """The block that has to be here first; None: it came while sync was busy."""


class RelayPeer:
    """A connected peer."""

    __slots__ = (
        "_known",
        "announces",
        "fetching",
        "peer",
        "proofs",
        "push",
        "pushing",
        "turn",
        "waiting",
    )

    def __init__(self, peer: Peer, now: int) -> None:
        self.peer = peer
        self.announces = TokenBucket(ANNOUNCES_PER_S, ANNOUNCE_BURST, now)
        self.proofs = TokenBucket(PROOFS_PER_S, PROOF_BURST, now)
        self.fetching: int | None = None
        """The delivery that it is asked for, or for parts of which it is asked."""
        self.push: int | None = None
        """The delivery that it pushes, if anybody still wants it."""
        self.pushing = False
        """Whether it pushed a compact block whose proof has not come."""
        self.turn = 0
        """When it was asked last: who waits longest comes first."""
        self.waiting: Waiting | None = None
        """Its last announcement that could not be judged yet."""
        self._known: OrderedDict[BlockId, None] = OrderedDict()

    def learned(self, block_id: BlockId) -> None:
        """It has a block."""
        self._known[block_id] = None
        self._known.move_to_end(block_id)
        if len(self._known) > KNOWN_BLOCKS:
            self._known.popitem(last=False)

    def has(self, block_id: BlockId) -> bool:
        """Whether it is known to have a block."""
        return block_id in self._known
