"""Works that are being fetched: which ids prove them, who has those, and which are settled.

Anybody can give a work other ids, by other outputs or another proof, so what is fetched is a work:
when one of its ids holds, the others are of no interest. The network page, section 6, step 2.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.p2p.limits import WORKS_OF_A_PEER
from esper.p2p.peer import PeerNumber
from esper.primitives.ids import BlockId, WorkId

SEEN_WORKS: Final = 1_024
"""Works that were proven and are remembered; branches that could name an older one again are left
to sync."""


@dataclass(slots=True, eq=False)
class Candidate:
    """An id of a work that peers say they have."""

    block_id: BlockId
    """64 bytes."""
    work_id: WorkId
    """64 bytes."""
    header: Header
    """Its header, which holds on ``parent``."""
    data: bytes
    """Canonical header."""
    parent: HeaderChain
    """The branch below it."""
    fork: int
    """Height of its last block on our chain."""
    arrived_ms: int
    """When its header came first."""
    announcers: dict[PeerNumber, None] = field(default_factory=dict)
    """Who has it, the first one first."""


@dataclass(slots=True, eq=False)
class Work:
    """A work that is wanted."""

    work_id: WorkId
    """64 bytes."""
    first_ms: int
    """When one of its headers came first."""
    candidates: dict[BlockId, Candidate] = field(default_factory=dict)
    """Its ids."""
    deliveries: list[int] = field(default_factory=list)
    """Under way, by their serials."""
    judging: int | None = None
    """The delivery whose work is being proven."""
    held: int | None = None
    """The delivery whose proof holds; it still lacks transactions."""


class Works:
    """All of them. A peer names one id a work, and four works."""

    def __init__(self) -> None:
        self._works: dict[WorkId, Work] = {}
        self._candidates: dict[BlockId, Candidate] = {}
        self._of_peer: dict[PeerNumber, dict[WorkId, Candidate]] = {}
        self._seen: OrderedDict[WorkId, None] = OrderedDict()

    @property
    def count(self) -> int:
        """Works that are wanted."""
        return len(self._works)

    @property
    def ids(self) -> int:
        """Their ids."""
        return len(self._candidates)

    @property
    def header_bytes(self) -> int:
        """Bytes of the headers."""
        return sum(len(one.data) for one in self._candidates.values())

    @property
    def seen_count(self) -> int:
        """Works that are remembered as settled."""
        return len(self._seen)

    def __iter__(self) -> Iterator[Work]:
        """The wanted ones; those that go meanwhile are still given."""
        return iter(tuple(self._works.values()))

    def get(self, work_id: WorkId) -> Work | None:
        """A wanted work."""
        return self._works.get(work_id)

    def candidate(self, block_id: BlockId) -> Candidate | None:
        """An id that somebody announced."""
        return self._candidates.get(block_id)

    def is_seen(self, work_id: WorkId) -> bool:
        """Whether the work was proven, under whatever id."""
        return work_id in self._seen

    def has_room(self, number: PeerNumber, work_id: WorkId) -> bool:
        """Whether a peer may name an id of a work: not a second one, nor a fifth work."""
        named = self._of_peer.get(number, {})
        return work_id not in named and len(named) < WORKS_OF_A_PEER

    def announce(self, number: PeerNumber, candidate: Candidate) -> None:
        """A peer that has room says that it has an id."""
        work = self._works.get(candidate.work_id)
        if work is None:
            work = self._works[candidate.work_id] = Work(candidate.work_id, candidate.arrived_ms)
        kept = work.candidates.setdefault(candidate.block_id, candidate)
        self._candidates[candidate.block_id] = kept
        kept.announcers[number] = None
        self._of_peer.setdefault(number, {})[candidate.work_id] = kept

    def withdraw(self, number: PeerNumber, work_id: WorkId) -> None:
        """A peer does not deliver a work after all."""
        named = self._of_peer.get(number, {})
        candidate = named.pop(work_id, None)
        if candidate is None:
            return
        if not named:
            del self._of_peer[number]
        candidate.announcers.pop(number, None)

    def named_by(self, number: PeerNumber) -> list[WorkId]:
        """Works of which a peer says that it has them."""
        return list(self._of_peer.get(number, {}))

    def drop_id(self, candidate: Candidate) -> None:
        """Forgets an id, whoever has it."""
        for number in list(candidate.announcers):
            self.withdraw(number, candidate.work_id)
        self._candidates.pop(candidate.block_id, None)
        work = self._works.get(candidate.work_id)
        if work is not None:
            work.candidates.pop(candidate.block_id, None)

    def forget(self, work: Work) -> None:
        """Wanted no more; whoever announces it again is heard."""
        for candidate in tuple(work.candidates.values()):
            self.drop_id(candidate)
        self._works.pop(work.work_id, None)

    def forget_what_nobody_has(self, work: Work, in_use: set[BlockId]) -> None:
        """Forgets ids that nobody delivers or ever will, and the work with the last of them."""
        for candidate in tuple(work.candidates.values()):
            if not candidate.announcers and candidate.block_id not in in_use:
                self.drop_id(candidate)
        if not work.candidates:
            self.forget(work)

    def settle(self, work_id: WorkId) -> None:
        """A work is proven: its other ids are not fetched."""
        work = self._works.get(work_id)
        if work is not None:
            self.forget(work)
        self._seen[work_id] = None
        if len(self._seen) > SEEN_WORKS:
            self._seen.popitem(last=False)
