"""Relaying blocks: what peers announce and push is fetched, proven and passed on.

    announced, pushed -> header gate -> fetching -> proven -> spread, adopted
                              |-> futures, sync, blame

Pure: events in, actions out. The network page, section 6.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, cast

from esper.consensus.block import Body
from esper.consensus.header import Header
from esper.p2p.actions import Blame, Brought, End
from esper.p2p.faults import Offence
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.ports import Adopt, Adopted, ChainPort, Proven, Random
from esper.p2p.relay.blocks.announces import RelayPeer, Waiting
from esper.p2p.relay.blocks.assembly import Output
from esper.p2p.relay.blocks.delivery import Delivery, Key, Part, Slot
from esper.p2p.relay.blocks.fetching import Fetching
from esper.p2p.relay.blocks.futures import Futures
from esper.p2p.relay.blocks.header_gate import Early, Elsewhere, HeaderGate, Refused
from esper.p2p.relay.blocks.preference import Preference
from esper.p2p.relay.blocks.spreading import KnowsOf, Spreading
from esper.p2p.relay.blocks.works import Candidate
from esper.p2p.relay.compact import BlockParts
from esper.p2p.relay.recent_blocks import RecentBlocks
from esper.p2p.relay.relay_actions import ToSync
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Compact, Proof
from esper.p2p.wire.messages import Answer
from esper.p2p.wire.talk_messages import Refuse
from esper.primitives.ids import BlockId


class PoolLookup(Protocol):
    """The mempool, as compact blocks are filled from it."""

    def by_prefix(self, prefix: bytes) -> bytes | None:
        """Canonical bytes of the transaction whose wtxid begins with these 16 bytes."""


@dataclass(frozen=True, slots=True)
class RelayStatistics:
    """How much of everything there is."""

    peers: int
    works: int
    """Wanted."""
    ids: int
    """Of the wanted works."""
    header_bytes: int
    """Of these ids and of the headers that wait for their time."""
    seen_works: int
    """Remembered as proven."""
    fetches_inbound: int
    fetches_outbound: int
    pushes: int
    reserved_bytes: int
    """F for each of these deliveries."""
    future_headers: int
    recent_blocks: int
    recent_bytes: int
    preferred: int
    """Told to push to us."""
    preferrers: int
    """Told us to push to them."""
    adopting: int
    """Proven blocks on their way into the chain."""


class BlockRelay:
    """The relay of blocks of a node."""

    def __init__(
        self, limits: NetworkLimits, chain: ChainPort, pool: PoolLookup, random: Random
    ) -> None:
        """``random`` is kept for what must not be foreseen; nothing is drawn yet."""
        self._limits = limits
        self._chain = chain
        self._pool = pool
        self._peers: dict[PeerNumber, RelayPeer] = {}
        self._gate = HeaderGate(limits, chain)
        self._futures = Futures()
        self._preference = Preference()
        self._spreading = Spreading(self._peers)
        self._adopting: dict[int, BlockId] = {}
        self._fetching = Fetching(
            limits, self._peers, self._gate, self._preference, self._lookup, self._on_proven
        )
        self._was_busy = False
        self._now = 0
        self.recent = RecentBlocks()
        """What get_block and get_block_txs are answered from."""
        self.busy = False
        """Whether sync is busy: then nothing is fetched, pushed or announced here."""

    @property
    def knows_of(self) -> KnowsOf:
        """Says whether a peer has a transaction: set by whoever relays transactions."""
        return self._spreading.knows_of

    @knows_of.setter
    def knows_of(self, knows_of: KnowsOf) -> None:
        self._spreading.knows_of = knows_of

    # Peers.

    def joined(self, peer: Peer, now: int) -> list[Output]:
        """A peer is connected, hello on both sides."""
        self._peers[peer.number] = RelayPeer(peer, now)
        return self._after([], now)

    def left(self, number: PeerNumber, now: int) -> list[Output]:
        """A peer is gone."""
        if self._peers.pop(number, None) is None:
            return []
        self._futures.left(number)
        self._preference.left(number)
        self._spreading.preferrers.set(number, False)
        return self._after(self._fetching.left(number), now)

    # Messages.

    def announced(self, number: PeerNumber, data: bytes, now: int) -> list[Output]:
        """A peer announces a block by its canonical header."""
        peer = self._peers.get(number)
        if peer is None or not peer.announces.take(1, now):
            return []
        if self.busy:
            peer.waiting = Waiting(data, None)
            return self._after([], now)
        found, _ = self._header_came(peer, data, now)
        return self._after(found, now)

    def pushed(self, number: PeerNumber, message: Compact | Proof, now: int) -> list[Output]:
        """A peer sends a block that nobody asked for by number."""
        peer = self._peers.get(number)
        if peer is None:
            return []
        if isinstance(message, Proof):
            return self._after(self._proof_pushed(peer, message, now), now)
        if not self._preference.may_push(number, now):
            return [Blame(number, Offence.UNASKED, "a block pushed without being asked for")]
        peer.pushing = True
        peer.push = None
        if self.busy or not peer.announces.take(1, now):
            return []
        found, candidate = self._header_came(peer, message.header, now)
        if candidate is not None:
            found += self._fetching.pushed(peer, candidate, message, now)
        return self._after(found, now)

    def may_push(self, number: PeerNumber, now: int) -> bool:
        """Whether a compact block of a peer, or the proof of one that it pushed, is wanted."""
        peer = self._peers.get(number)
        return peer is not None and (peer.pushing or self._preference.may_push(number, now))

    def prefer(self, number: PeerNumber, push: int, now: int) -> list[Output]:
        """A peer says whether new blocks are to be pushed to it."""
        # Nothing may begin by it, and nothing is looked at: it costs its sender eight bytes.
        if number in self._peers:
            self._spreading.preferrers.set(number, bool(push))
        return []

    def answered(
        self, number: PeerNumber, key: Hashable, answer: Answer | Refuse, now: int
    ) -> list[Output]:
        """An answer to a request of this machine."""
        if not isinstance(key, Key):
            return []
        return self._after(self._fetching.answered(number, key, answer, now), now)

    def ended(self, number: PeerNumber, key: Hashable, end: End, now: int) -> list[Output]:
        """A request of this machine ended."""
        if not isinstance(key, Key):
            return []
        return self._after(self._fetching.ended(number, key, end), now)

    # What the node says.

    def done(
        self, key: Hashable, value: Proven | Adopted | Failure | None, now: int
    ) -> list[Output]:
        """A job of this machine came back."""
        if not isinstance(key, Key):
            return []
        if key.part is Part.ADOPT:
            self._adopted(key.serial, value, now)
            return self._after([], now)
        return self._after(self._fetching.done(key, value, now), now)

    def own_block(self, header: Header, body: Body, proof: bytes, now: int) -> list[Output]:
        """This node found a block, and its chain took it."""
        block_id = header.block_id
        parts = BlockParts.of(block_id, header.to_bytes(), body, proof)
        self.recent.add(block_id, parts)
        found = self._fetching.settle(header.work_id)
        if not self.busy:
            found += self._spreading.spread(parts)
        return self._after(found, now)

    def proven_by_sync(self, proven: Proven) -> None:
        """Sync brought a block; the last ones are served and their transactions looked up."""
        self.recent.add(proven.block_id, proven.data)

    def chain_changed(self, now: int) -> list[Output]:
        """The executed tip moved: whoever lacks it hears of it, if it was not relayed already."""
        return self._after([*self._tell_tip(), *self._second_look(now)], now)

    def on_time(self, now: int) -> list[Output]:
        """Time has passed."""
        found = self._fetching.on_time(now)
        for one in self._futures.take_due(now):
            peer = self._peers.get(one.peer)
            if peer is not None and not self.busy:
                found += self._header_came(peer, one.header, now)[0]
        return self._after(found, now)

    def due(self) -> int | None:
        """When ``on_time`` is to be called."""
        if self._was_busy and not self.busy:
            return self._now
        times = (self._futures.due(), self._fetching.due())
        return min((time for time in times if time is not None), default=None)

    # Serving.

    def compact_for(self, number: PeerNumber, block_id: bytes) -> tuple[Compact, bytes] | None:
        """A compact block for a peer that asked for it, with number 0, and its proof.

        None: it is not recent.
        """
        parts = self.recent.get(block_id)
        return None if parts is None else (self._spreading.compact(parts, number), parts.proof)

    def transactions_of(
        self, block_id: bytes, indices: tuple[int, ...]
    ) -> tuple[bytes, ...] | None:
        """Transactions of a recent block by place; None: it is not recent, or has no such place."""
        parts = self.recent.get(block_id)
        if parts is None or max(indices, default=0) >= len(parts.transactions):
            return None
        return tuple(parts.transactions[index] for index in indices)

    def statistics(self) -> RelayStatistics:
        """How much of everything there is."""
        deliveries = self._fetching.under_way
        works = self._fetching.works
        slots = [one.slot for one in deliveries]
        return RelayStatistics(
            peers=len(self._peers),
            works=works.count,
            ids=works.ids,
            header_bytes=works.header_bytes
            + self._futures.held_bytes
            + sum(len(one.waiting.header) for one in self._peers.values() if one.waiting),
            seen_works=works.seen_count,
            fetches_inbound=slots.count(Slot.INBOUND),
            fetches_outbound=slots.count(Slot.OUTBOUND),
            pushes=slots.count(Slot.PUSH),
            reserved_bytes=len(deliveries) * self._limits.fetch,
            future_headers=self._futures.count,
            recent_blocks=self.recent.count,
            recent_bytes=self.recent.held_bytes,
            preferred=len(self._preference.preferred),
            preferrers=self._spreading.preferrers.count,
            adopting=len(self._adopting),
        )

    # Inside.

    def _header_came(
        self, peer: RelayPeer, data: bytes, now: int
    ) -> tuple[list[Output], Candidate | None]:
        """What follows from a header; the candidate, if its block may be fetched."""
        number = peer.peer.number
        header = self._gate.read(data)
        if isinstance(header, Refused):
            return self._blame(number, header.failure), None
        block_id, work_id = header.block_id, header.work_id
        if self._gate.is_proven(block_id):
            peer.learned(block_id)
            return [], None
        works = self._fetching.works
        if works.is_seen(work_id):
            return [], None
        candidate = works.candidate(block_id)
        if candidate is None:
            judged = self._gate.judge(header, block_id, now)
            match judged:
                case Refused():
                    return self._blame(number, judged.failure), None
                case Early():
                    self._futures.add(peer.peer, block_id, data, judged.wait_ms, now)
                    return [], None
                case Elsewhere():
                    # Sync asks once in 10 s, and remembers: what is dropped here would be lost.
                    if self._chain.headers_of(header.pre.parent) is None:
                        peer.waiting = Waiting(data, header.pre.parent)
                    return [ToSync(number, header)], None
            candidate = Candidate(block_id, work_id, header, data, judged.parent, judged.fork, now)
        self._fetching.announced(peer, candidate)
        return [], candidate

    def _second_look(self, now: int) -> list[Output]:
        """Announcements whose parent has come.

        A block is announced when it is proven, and headers are served once it is executed: who asks
        in between hears of its parent, and would wait for the giver's next ping.
        """
        if self.busy:
            return []
        found: list[Output] = []
        for peer in tuple(self._peers.values()):
            waiting = peer.waiting
            if waiting is None:
                continue
            if waiting.parent is None or self._chain.headers_of(waiting.parent) is not None:
                peer.waiting = None
                found += self._header_came(peer, waiting.header, now)[0]
        return found

    def _proof_pushed(self, peer: RelayPeer, proof: Proof, now: int) -> list[Output]:
        if not peer.pushing:
            reason = "a proof pushed without its compact block"
            return [Blame(peer.peer.number, Offence.UNASKED, reason)]
        peer.pushing = False
        return self._fetching.pushed_proof(peer, proof, now)

    def _on_proven(
        self, delivery: Delivery, proven: Proven, parts: BlockParts, now: int
    ) -> list[Output]:
        candidate, serial = delivery.candidate, delivery.serial
        self.recent.add(parts.block_id, parts)
        self._gate.adopting(parts.block_id, proven.headers, candidate.fork)
        self._adopting[serial] = parts.block_id
        found: list[Output] = []
        if not self.busy:
            found += self._spreading.spread(parts)
        source = self._peers.get(delivery.source)
        if source is not None:
            found += self._preference.delivered(source.peer, now)
            found.append(Brought(source.peer.number, proven.headers))
        return [*found, Adopt(Key(Part.ADOPT, serial), (proven,))]

    def _adopted(self, serial: int, value: object, now: int) -> None:
        block_id = self._adopting.pop(serial, None)
        if block_id is None:
            return
        # A state that fails is its maker's loss: who relayed it could not know.
        failure = value if isinstance(value, Failure) else cast(Adopted, value).failure
        self._gate.adopted(block_id, failure is not None, now)

    def _blame(self, number: PeerNumber, failure: Failure) -> list[Output]:
        if failure.offence is None:
            return []
        return [Blame(number, failure.offence, failure.reason)]

    def _tell_tip(self) -> list[Output]:
        if self.busy:
            return []
        parts = self.recent.get(self._chain.tip.tip_id)
        return [] if parts is None else list(self._spreading.announce(parts))

    def _lookup(self, prefix: bytes) -> tuple[bytes, ...]:
        recent = self.recent.by_prefix(prefix)
        pooled = self._pool.by_prefix(prefix)
        return recent if pooled is None or pooled in recent else (pooled, *recent)

    def _after(self, found: list[Output], now: int) -> list[Output]:
        """What may begin now, behind what follows from the event itself."""
        self._now = now
        if self.busy:
            self._was_busy = True
            return found
        if self._was_busy:
            self._was_busy = False
            found = [*found, *self._tell_tip(), *self._second_look(now)]
        return [*found, *self._fetching.start(now)]
