"""One block on its way here: from whom, and how far it is."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from esper.p2p.limits import BLOCK_WHOLE_MS, WAIT_FOR_PUSH_MS
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.blocks.works import Candidate
from esper.p2p.relay.compact import Filling
from esper.p2p.wire.bulk_messages import Compact

LAST_BYTE_GRACE_MS: Final = 1_000
"""So long after its header a block may be whole and still count as come with it."""


class Slot(Enum):
    """The room that a delivery takes: F bytes each."""

    INBOUND = "inbound"
    """Asked of a peer that dialled us."""
    OUTBOUND = "outbound"
    """Asked of a peer that this node dialled."""
    PUSH = "push"
    """Pushed by a peer that was told to."""


class Part(Enum):
    """What is asked for, and what is judged."""

    BLOCK = "block"
    """Compact block and proof."""
    TRANSACTIONS = "transactions"
    """Those that are missing."""
    BODY = "body"
    """The whole body."""
    WORK = "work"
    """Job: whether the proof holds."""
    LISTS = "lists"
    """Job: whether the lists hold."""
    ADOPT = "adopt"
    """Job: the chain takes it."""


class Key(NamedTuple):
    """Names a request or a job of the relay."""

    part: Part
    """Which part it is about."""
    serial: int
    """Of the delivery."""


@dataclass(slots=True, eq=False)
class Delivery:
    """A block that somebody delivers."""

    serial: int
    """Never given again."""
    candidate: Candidate
    """The id."""
    source: PeerNumber
    """Who gives compact block and proof."""
    slot: Slot
    """The room it takes."""
    started_ms: int
    """When it was asked for, or its push began."""
    last_byte_ms: int
    """When the last part came that it needed."""
    compact: Compact | None = None
    """The compact block."""
    filling: Filling | None = None
    """Its transactions, as far as they are here."""
    proof: bytes | None = None
    """The proof."""
    is_held: bool = False
    """Whether its proof was found to hold."""
    needs_body: bool = False
    """Whether prefixes do not name its transactions: only a whole body helps."""
    body: tuple[tuple[bytes, ...], PeerNumber] | None = None
    """The transactions of a whole body, and who gave them."""
    lists_judged: bool = False
    """Whether a job looks at its lists."""
    open: dict[Part, PeerNumber] = field(default_factory=dict)
    """Open requests, and of whom."""
    failed: set[PeerNumber] = field(default_factory=set)
    """Who did not give the parts that were missing."""

    @property
    def is_push(self) -> bool:
        """Whether nobody asked for it."""
        return self.slot is Slot.PUSH

    @property
    def can_be_proven(self) -> bool:
        """Whether all is here that the work is judged by."""
        return self.compact is not None and self.proof is not None

    @property
    def transactions(self) -> tuple[bytes, ...] | None:
        """All of them, None while some are missing."""
        if self.body is not None:
            return self.body[0]
        if self.needs_body or self.filling is None or not self.filling.is_whole:
            return None
        return self.filling.transactions

    @property
    def wait_for_push_until_ms(self) -> int:
        """Nobody else is asked before, for it is under way."""
        return self.started_ms + WAIT_FOR_PUSH_MS

    @property
    def received_ms(self) -> int:
        """When the block came, for draws.

        What waits in our queues does not count; holding back its last bytes does.
        """
        return max(self.candidate.arrived_ms, self.last_byte_ms - LAST_BYTE_GRACE_MS)

    @property
    def deadline_ms(self) -> int:
        """When a push must be whole."""
        return self.started_ms + BLOCK_WHOLE_MS
