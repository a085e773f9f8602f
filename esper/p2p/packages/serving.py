"""What this node gives of packages: only what it offers, in turns, and at a rate.

A request is refused at once, without a look at the disk, for what is not offered, beyond a peer's
rate of requests, and where too many of a peer are open. What may be answered waits for a place
and for both rates of bytes, the peer's and that of all. So a short request has a MiB sent, to
whoever proved an id and takes it, and never more than the rates. Blocks do not wait behind any
of it but the one chunk that is under way.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.budgets import SharedBucket, SharedRoom, TokenBucket
from esper.p2p.flow.served import PLACE_MS
from esper.p2p.limits import (
    BUSY_REFUSALS,
    BUSY_WINDOW_MS,
    PACKAGE_ANSWERS_HELD,
    PACKAGE_BURST,
    PACKAGE_PEER_PART,
    PACKAGE_REQUEST_BURST,
    PACKAGE_REQUESTS_OPEN,
    PACKAGE_REQUESTS_PER_S,
    PACKAGE_UP_PER_S,
)
from esper.p2p.packages.offers import Offers
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import PackageRequest


@dataclass(frozen=True, slots=True)
class PackageTurn:
    """A request that is to be answered now."""

    peer: PeerNumber
    request: PackageRequest


@dataclass(frozen=True, slots=True)
class ServingStatistics:
    """What was asked of this node and not yet answered."""

    waiting: int
    answering: int
    """Each holds one of the places, and a chunk in memory at most."""


@dataclass(slots=True)
class _Asker:
    peer: Peer
    requests: TokenBucket
    bytes: TokenBucket
    waiting: deque[tuple[int, PackageRequest]] = field(default_factory=deque)
    """With the time when each came, ms."""
    answering: PackageRequest | None = None
    cancelled: bool = False
    """Whether what is being answered was taken back."""
    busy: deque[int] = field(default_factory=lambda: deque(maxlen=BUSY_REFUSALS))
    """When requests were refused for want of budget, ms."""


class Serving:
    """All requests of all peers about packages."""

    def __init__(self, offers: Offers, now: int, up_per_s: int = PACKAGE_UP_PER_S) -> None:
        """``up_per_s``: bytes that all peers together are given a second."""
        self.offers = offers
        """What may be asked for."""
        self._askers: OrderedDict[PeerNumber, _Asker] = OrderedDict()
        self._room = SharedRoom(PACKAGE_ANSWERS_HELD)
        self._all = SharedBucket(up_per_s, max(up_per_s, PACKAGE_BURST), now)
        self._peer_per_s = max(up_per_s // PACKAGE_PEER_PART, 1)

    def joined(self, peer: Peer, now: int) -> None:
        """A peer that may ask from now on."""
        requests = TokenBucket(PACKAGE_REQUESTS_PER_S, PACKAGE_REQUEST_BURST, now)
        size = TokenBucket(self._peer_per_s, max(self._peer_per_s, PACKAGE_BURST), now)
        self._askers[peer.number] = _Asker(peer, requests, size)

    def left(self, number: PeerNumber) -> None:
        """A peer is gone, with all it asked for."""
        asker = self._askers.pop(number, None)
        if asker is not None and asker.answering is not None:
            self._room.free(1, asker.peer.outbound)

    def asked(self, peer: PeerNumber, request: PackageRequest, now: int) -> talk.Refuse | None:
        """Takes a request; what to send if it is refused at once.

        Raises Fault: BUSY for the 200th refusal for want of budget in ten minutes.
        """
        asker = self._askers[peer]
        is_open = len(asker.waiting) + (asker.answering is not None)
        if is_open >= PACKAGE_REQUESTS_OPEN or not asker.requests.take(1, now):
            _note_busy(asker, now)
            return talk.Refuse(request.number, WHOLE_REST, talk.REFUSED_BUSY)
        if not self._is_here(request):
            return talk.Refuse(request.number, request.root, talk.REFUSED_UNKNOWN)
        asker.waiting.append((now, request))
        return None

    def nevermind(self, peer: PeerNumber, number: int) -> talk.Refuse | None:
        """What to send for a request that is taken back: nothing if it ended, or is no package's.

        Nor for one that is being answered: ``is_cancelled`` says so from now on.
        """
        asker = self._askers[peer]
        if asker.answering is not None and asker.answering.number == number:
            asker.cancelled = True
            return None
        for one in asker.waiting:
            if one[1].number == number:
                asker.waiting.remove(one)
                return talk.Refuse(number, WHOLE_REST, talk.REFUSED_CANCELLED)
        return None

    def turns(self, now: int) -> tuple[PackageTurn, ...]:
        """What is to be answered now; each must be given back by ``done``.

        A peer has one answer at a time, and comes last after it. Nothing is begun for which there
        is no rate: it holds a place only while something is read and sent.
        """
        return tuple(self._turns(now))

    def next_ms(self, now: int) -> int | None:
        """How long until somebody who waits may have a turn by the rates; None: nobody waits."""
        waits = [
            self._wait_ms(one, now)
            for one in self._askers.values()
            if one.waiting and one.answering is None
        ]
        return min(waits, default=None)

    def is_cancelled(self, turn: PackageTurn) -> bool:
        """Whether an answer is wanted no more: taken back, or its peer is gone."""
        asker = self._askers.get(turn.peer)
        return asker is None or asker.answering is not turn.request or asker.cancelled

    def sent(self, turn: PackageTurn, size: int, now: int) -> None:
        """So many bytes were read for sending."""
        self._all.charge(size, now)
        asker = self._askers.get(turn.peer)
        if asker is not None:
            asker.bytes.charge(size, now)

    def done(self, turn: PackageTurn) -> None:
        """An answer has left, was refused, or could not be sent."""
        asker = self._askers.get(turn.peer)
        if asker is None or asker.answering is not turn.request:
            return
        asker.answering, asker.cancelled = None, False
        self._room.free(1, asker.peer.outbound)

    def waited_too_long(self, now: int) -> tuple[PackageTurn, ...]:
        """Requests that got no place in time: refused as busy, and forgotten."""
        found = []
        for number, asker in self._askers.items():
            if asker.answering is not None:
                # It sees its own answers coming.
                asker.waiting = deque((now, request) for _, request in asker.waiting)
            while asker.waiting and now >= asker.waiting[0][0] + PLACE_MS:
                found.append(PackageTurn(number, asker.waiting.popleft()[1]))
        return tuple(found)

    def others_wait(self, turn: PackageTurn) -> bool:
        """Whether another peer waits for the place that an answer holds."""
        return any(
            asker.waiting and asker.answering is None
            for number, asker in self._askers.items()
            if number != turn.peer
        )

    def statistics(self) -> ServingStatistics:
        """What waits and what is being answered."""
        return ServingStatistics(
            sum(len(one.waiting) for one in self._askers.values()), self._room.held
        )

    def _turns(self, now: int) -> Iterator[PackageTurn]:
        for number, asker in list(self._askers.items()):
            if not asker.waiting or asker.answering is not None or self._wait_ms(asker, now):
                continue
            if not self._room.take(1, asker.peer.outbound):
                continue
            self._askers.move_to_end(number)
            _, asker.answering = asker.waiting.popleft()
            yield PackageTurn(number, asker.answering)

    def _wait_ms(self, asker: _Asker, now: int) -> int:
        return max(asker.bytes.wait_ms(1, now), self._all.wait_ms(1, asker.peer.outbound, now))

    def _is_here(self, request: PackageRequest) -> bool:
        match request:
            case packages.GetChunk():
                return self.offers.has(request.root, request.index)
            case packages.GetDigests():
                return self.offers.has_page(request.root, request.page)
            case packages.GetHoldings():
                return self.offers.has_list(request.root)


def _note_busy(asker: _Asker, now: int) -> None:
    while asker.busy and asker.busy[0] <= now - BUSY_WINDOW_MS:
        asker.busy.popleft()
    asker.busy.append(now)
    if len(asker.busy) >= BUSY_REFUSALS:
        raise Fault(
            Offence.BUSY,
            f"{len(asker.busy)} requests about packages beyond what is served in ten minutes",
        )
