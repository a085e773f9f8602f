"""What this node answers: whose turn it is, and what a peer may ask for.

Requests over a peer's budget are refused, never put to sleep, so pings pass. Old blocks share a
budget and a few places, and peers take turns; all else waits for no other peer, so whoever reads
history slowly delays nobody's new blocks, headers and transactions. The network page, section 5.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.budgets import SharedBucket, SharedRoom, TokenBucket
from esper.p2p.limits import (
    ANSWERS_HELD,
    BUSY_REFUSALS,
    BUSY_WINDOW_MS,
    EVENTS_WAITING,
    KIB,
    PREFIX_BYTES,
    REQUEST_BURST,
    REQUESTS_PER_S,
    SERVED_BURST,
    SERVED_PER_S,
)
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import ChainRequest
from esper.primitives.hashing import HASH_BYTES

PLACE_MS: Final = 7_000
"""So long a request for history waits for its turn: whoever asks gives up after ten seconds."""
WAITING_BYTES: Final = 16 * KIB
"""Of the lists of a peer's requests that wait."""
_UNIT: Final = 20
"""Costs are counted in twentieths, the price of one part of a block."""


def cost_of(request: ChainRequest | talk.GetAddrs) -> int:
    """What a request costs, in twentieths of a request."""
    match request:
        case talk.GetHeaders():
            return 4 * _UNIT
        case talk.GetBlocks():
            return _UNIT + len(request.block_ids) * request.parts.bit_count()
        case talk.GetTxs():
            return -(-len(request.prefixes) // 16) * _UNIT
        case talk.GetAddrs():
            return 20 * _UNIT
        case _:
            return _UNIT


def _length(request: ChainRequest) -> int:
    """About how many bytes its lists take, on the wire or a quarter of those in memory."""
    match request:
        case talk.GetBlockTxs():
            # Small on the wire, and the largest in memory.
            return 8 * len(request.indices)
        case talk.GetTxs():
            return PREFIX_BYTES * len(request.prefixes)
        case talk.GetHeaders():
            return HASH_BYTES * len(request.locator)
        case talk.GetBlocks():
            return HASH_BYTES * len(request.block_ids)
        case _:
            return HASH_BYTES


def is_history(request: ChainRequest) -> bool:
    """Whether it reads old blocks; all else is small or in memory, and waits for no other peer."""
    return isinstance(request, talk.GetBlocks)


@dataclass(frozen=True, slots=True)
class Turn:
    """A request that is to be answered now."""

    peer: PeerNumber
    request: ChainRequest

    @property
    def number(self) -> int:
        """The request's."""
        return self.request.number


@dataclass(frozen=True, slots=True)
class ServedStatistics:
    """What was asked of this node and not yet answered."""

    waiting: int
    """Requests whose turn did not come."""
    answering: int
    """Requests that are being answered."""
    held: int
    """How many of those hold one of the places of history."""


@dataclass(slots=True)
class _Asker:
    peer: Peer
    budget: TokenBucket
    last_number: int = 0
    quick: deque[ChainRequest] = field(default_factory=deque)
    history: deque[ChainRequest] = field(default_factory=deque)
    came: dict[int, int] = field(default_factory=dict)
    """When the requests in ``history`` came, ms, by number."""
    answering: dict[int, bool] = field(default_factory=dict)
    """By number, whether it is of history."""
    cancelled: set[int] = field(default_factory=set)
    """Of those that are being answered."""
    busy: deque[int] = field(default_factory=lambda: deque(maxlen=BUSY_REFUSALS))
    """When requests were refused for want of budget, ms."""

    @property
    def open(self) -> int:
        return len(self.quick) + len(self.history) + len(self.answering)

    def has_room_for(self, request: ChainRequest) -> bool:
        """Whether it may wait beside those that do: all together are as long as a long one.

        In memory they are several times as long: 60 requests for 4,096 transactions were 9 MB.
        """
        waiting = sum(_length(one) for queue in (self.quick, self.history) for one in queue)
        return not waiting or waiting + _length(request) <= WAITING_BYTES

    def answers(self, history: bool) -> bool:
        return history in self.answering.values()


class Served:
    """All requests of all peers to this node."""

    def __init__(self, now: int, upload_per_s: int = SERVED_PER_S) -> None:
        """``upload_per_s``: bytes of history that all peers together are given."""
        self._askers: OrderedDict[PeerNumber, _Asker] = OrderedDict()
        self._room = SharedRoom(ANSWERS_HELD)
        self._history = SharedBucket(upload_per_s, max(upload_per_s, SERVED_BURST), now)

    def joined(self, peer: Peer, now: int) -> None:
        """A peer that may ask from now on."""
        budget = TokenBucket(REQUESTS_PER_S * _UNIT, REQUEST_BURST * _UNIT, now)
        self._askers[peer.number] = _Asker(peer, budget)

    def left(self, number: PeerNumber) -> None:
        """A peer is gone, with all it asked for."""
        asker = self._askers.pop(number, None)
        if asker is not None:
            for history in asker.answering.values():
                self._free(asker, history)

    def note_number(self, peer: PeerNumber, number: int) -> None:
        """A request of any kind came. Raises Fault (ORDER) for a number that does not ascend."""
        asker = self._askers[peer]
        if number <= asker.last_number:
            raise Fault(
                Offence.ORDER,
                f"request {number} came after {asker.last_number}, numbers must ascend",
            )
        asker.last_number = number

    def asked(self, peer: PeerNumber, request: ChainRequest, now: int) -> talk.Refuse | None:
        """Takes a request; what to send if it is refused at once.

        Raises Fault: ORDER for a number that does not ascend, BUSY for the 200th refusal in ten
        minutes.
        """
        self.note_number(peer, request.number)
        asker = self._askers[peer]
        full = asker.open >= EVENTS_WAITING or not asker.has_room_for(request)
        if full or not asker.budget.take(cost_of(request), now):
            self._refuse(asker, now)
            return talk.Refuse(request.number, WHOLE_REST, talk.REFUSED_BUSY)
        if is_history(request):
            asker.history.append(request)
            asker.came[request.number] = now
        else:
            asker.quick.append(request)
        return None

    def asked_addresses(self, peer: PeerNumber, now: int) -> bool:
        """Whether a get_addrs is within the budget; beyond, it is not answered. Raises Fault."""
        asker = self._askers[peer]
        if asker.budget.take(cost_of(talk.GetAddrs()), now):
            return True
        self._refuse(asker, now)
        return False

    def nevermind(self, peer: PeerNumber, number: int) -> talk.Refuse | None:
        """What to send for a request that is taken back: nothing if it ended, or is being answered.

        In the latter case ``is_cancelled`` says so from now on: whoever answers ends with that
        refusal behind the frame that is under way. Raises Fault (ORDER) for a number never used.
        """
        asker = self._askers[peer]
        if not 0 < number <= asker.last_number:
            raise Fault(Offence.ORDER, f"request {number} is taken back but was never made")
        if number in asker.answering:
            asker.cancelled.add(number)
            return None
        for queue in (asker.quick, asker.history):
            for request in queue:
                if request.number == number:
                    queue.remove(request)
                    asker.came.pop(number, None)
                    return talk.Refuse(number, WHOLE_REST, talk.REFUSED_CANCELLED)
        return None

    def is_cancelled(self, turn: Turn) -> bool:
        """Whether an answer need not go on: taken back, or its peer is gone."""
        asker = self._askers.get(turn.peer)
        return asker is None or turn.number in asker.cancelled

    def turns(self) -> tuple[Turn, ...]:
        """What is to be answered now; each must be given back by ``done``.

        A peer gets at most one answer of history and one other at a time; among peers, whoever
        was served history longest ago comes first.
        """
        return tuple(self._turns())

    def done(self, turn: Turn) -> None:
        """An answer has left, was refused, or could not be sent."""
        asker = self._askers.get(turn.peer)
        if asker is None or turn.number not in asker.answering:
            return
        asker.cancelled.discard(turn.number)
        self._free(asker, asker.answering.pop(turn.number))

    def waited_too_long(self, now: int) -> tuple[Turn, ...]:
        """Requests for history that did not get a place in time: refused as busy, and forgotten.

        Otherwise whoever asks would take this node for late, though others hold the places.
        """
        found = []
        for number, asker in self._askers.items():
            if asker.answers(history=True):
                # It waits for its own answers, which it sees coming.
                asker.came = dict.fromkeys(asker.came, now)
            while asker.history and now >= asker.came[asker.history[0].number] + PLACE_MS:
                request = asker.history.popleft()
                del asker.came[request.number]
                found.append(Turn(number, request))
        return tuple(found)

    def others_wait(self, turn: Turn) -> bool:
        """Whether another peer waits for the place of history that an answer holds."""
        return any(
            asker.history and not asker.answers(history=True)
            for number, asker in self._askers.items()
            if number != turn.peer
        )

    def history_wait_ms(self, turn: Turn, now: int) -> int:
        """How long the next part of history must wait; 0: it may be read and sent."""
        asker = self._askers.get(turn.peer)
        return self._history.wait_ms(1, asker is not None and asker.peer.outbound, now)

    def sent_history(self, size: int, now: int) -> None:
        """So many bytes of history were read for sending."""
        self._history.charge(size, now)

    def statistics(self) -> ServedStatistics:
        """What waits and what is being answered."""
        askers = self._askers.values()
        return ServedStatistics(
            waiting=sum(len(one.quick) + len(one.history) for one in askers),
            answering=sum(len(one.answering) for one in askers),
            held=self._room.held,
        )

    def _turns(self) -> Iterator[Turn]:
        for number, asker in list(self._askers.items()):
            if asker.quick and not asker.answers(history=False):
                yield self._begin(asker, asker.quick, history=False)
            if asker.history and not asker.answers(history=True):
                if not self._room.take(1, asker.peer.outbound):
                    continue
                self._askers.move_to_end(number)
                yield self._begin(asker, asker.history, history=True)

    def _begin(self, asker: _Asker, queue: deque[ChainRequest], history: bool) -> Turn:
        request = queue.popleft()
        asker.came.pop(request.number, None)
        asker.answering[request.number] = history
        return Turn(asker.peer.number, request)

    def _free(self, asker: _Asker, history: bool) -> None:
        if history:
            self._room.free(1, asker.peer.outbound)

    def _refuse(self, asker: _Asker, now: int) -> None:
        while asker.busy and asker.busy[0] <= now - BUSY_WINDOW_MS:
            asker.busy.popleft()
        asker.busy.append(now)
        if len(asker.busy) >= BUSY_REFUSALS:
            raise Fault(
                Offence.BUSY, f"{len(asker.busy)} requests beyond what is served in ten minutes"
            )
