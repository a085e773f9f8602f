"""The requests of this node: their numbers, whose answers belong where, and when they are late.

A request ends once: with its last answer, with a refusal of what is left, by being late, or when
the peer leaves. Late and cancelled ones are *closing*: what still comes for them is thrown away,
and is never held against the peer, unless no end comes in a minute. The network page, sections 4
and 5.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

from esper.p2p.actions import Blame, End, Send
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.open_requests import Arriving, OpenRequest, Owner, PeerRequests
from esper.p2p.limits import DRIP_OVER_MS
from esper.p2p.peer import PeerNumber
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import Answer, Request
from esper.p2p.wire.package_messages import Chunk

MOST_CLOSING: Final = 128
"""A peer that owes the end of more is late with the oldest."""
_FRAME: Final = 0
"""In place of a request's number: the frame that is under way."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An answer for a machine, or a refusal of one block of several."""

    peer: PeerNumber
    owner: Owner
    key: Hashable
    answer: Answer | talk.Refuse


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a request, for a machine; nothing about it follows."""

    peer: PeerNumber
    owner: Owner
    key: Hashable
    end: End
    code: int | None = None
    """Why the rest was refused, one of ``talk.REFUSED_*``; None: it was not."""


@dataclass(frozen=True, slots=True)
class RequestStatistics:
    """What is open."""

    open: int
    """Requests whose answers a machine waits for."""
    closing: int
    """Requests whose answers will be thrown away."""
    timers: int
    """Times at which something is looked at."""


class Requests:
    """All requests of this node to all peers."""

    def __init__(self) -> None:
        self._peers: dict[PeerNumber, PeerRequests] = {}
        self._timers: list[tuple[int, PeerNumber, int]] = []

    def ask(
        self, peer: PeerNumber, owner: Owner, key: Hashable, request: Request, now: int
    ) -> Request:
        """The request with its number, to be sent.

        Raises ValueError for a key that this owner uses already in an open request to this peer.
        """
        requests = self._peers.setdefault(peer, PeerRequests())
        opened = OpenRequest.of(owner, key, request, now)
        number = requests.add(opened)
        self._set_timer(peer, number, opened)
        return request.numbered(number)

    def cancel(
        self, peer: PeerNumber, owner: Owner, key: Hashable, now: int
    ) -> talk.Nevermind | None:
        """What to send so that a request ends; None: it ended already. No end is told of it."""
        requests = self._peers.get(peer)
        number = requests.numbers.get((owner, key)) if requests is not None else None
        if requests is None or number is None:
            return None
        requests.close(number, now)
        self._hurry_oldest_closing(peer, requests, now)
        return talk.Nevermind(number)

    def awaits(self, peer: PeerNumber, kind: int) -> bool:
        """Whether a frame of this type is the next part of what a peer was asked for."""
        requests = self._peers.get(peer)
        return requests is not None and any(
            kind in request.shape.awaited for request in requests.open.values()
        )

    def arriving(self, peer: PeerNumber, kind: int, size: int, now: int) -> None:
        """So many more bytes came of a frame of the bulk stream that is not yet whole.

        While a frame that was asked for comes fast enough, nothing behind it can begin, so all
        that is open has more time.
        """
        requests = self._peers.get(peer)
        if requests is None:
            return
        if requests.arriving is None:
            if not any(kind in request.shape.awaited for request in requests.open.values()):
                return
            requests.arriving = Arriving(kind, now + DRIP_OVER_MS)
            if not requests.frame_timer:
                requests.frame_timer = True
                heappush(self._timers, (requests.arriving.check_at, peer, _FRAME))
        requests.arriving.size += size
        if not requests.arriving.slow:
            for request in requests.open.values():
                request.went_on(now)

    def arrived(self, peer: PeerNumber) -> None:
        """A frame of the bulk stream is whole; what follows is another."""
        requests = self._peers.get(peer)
        if requests is not None:
            requests.arriving = None

    def answer(
        self, peer: PeerNumber, message: Answer | talk.Refuse, now: int
    ) -> tuple[Delivered | Ended, ...]:
        """What follows from a whole answer: nothing if its request is closing.

        Raises Fault for what was not asked for: UNASKED, or SIZE for more or less than asked.
        """
        requests = self._peers.get(peer)
        request = requests.open.get(message.number) if requests is not None else None
        if requests is None or request is None:
            raise Fault(
                Offence.UNASKED, f"an answer to request {message.number}, which is not open"
            )
        key, owner, told = request.key, request.owner, not request.closing
        if isinstance(message, talk.Refuse):
            if message.block_id == WHOLE_REST:
                requests.remove(message.number)
                if not told:
                    return ()
                return (Ended(peer, owner, key, End.REFUSED, message.code),)
            last = request.shape.skip(message.block_id)
        else:
            last = request.shape.take(message)
        request.went_on(now)
        if last:
            requests.remove(message.number)
        if not told:
            return ()
        delivered = Delivered(peer, owner, key, message)
        return (delivered, Ended(peer, owner, key, End.DONE)) if last else (delivered,)

    def left(self, peer: PeerNumber) -> tuple[Ended, ...]:
        """The ends of what a peer that left did not answer."""
        requests = self._peers.pop(peer, None)
        if requests is None:
            return ()
        return tuple(Ended(peer, *name, End.LEFT) for name in requests.numbers)

    def on_time(self, now: int) -> tuple[Ended | Blame | Send, ...]:
        """What has become late.

        Late blocks and late parts of sync are blamed, unless a chunk is in front of them; of
        transactions and packages the machine counts who does not answer. A request that is closing
        for a minute is blamed again each minute.
        """
        found: list[Ended | Blame | Send] = []
        while self._timers and self._timers[0][0] <= now:
            at, peer, number = heappop(self._timers)
            requests = self._peers.get(peer)
            if requests is None:
                continue
            if number == _FRAME:
                found.extend(self._check_frame(peer, requests, now))
            elif number in requests.open and requests.open[number].timer == at:
                found.extend(self._check_request(peer, requests, number, now))
        return tuple(found)

    def begin_anew(self, now: int) -> None:
        """All deadlines begin now: it was this node that slept."""
        for requests in self._peers.values():
            for request in requests.open.values():
                request.begin_anew(now)
            if requests.arriving is not None:
                requests.arriving.check_at = now + DRIP_OVER_MS

    def due(self) -> int | None:
        """When ``on_time`` wants to be called at the earliest, ms; None: never."""
        return self._timers[0][0] if self._timers else None

    def statistics(self) -> RequestStatistics:
        """What is open now."""
        peers = self._peers.values()
        return RequestStatistics(
            open=sum(len(requests.numbers) for requests in peers),
            closing=sum(requests.closing for requests in peers),
            timers=len(self._timers),
        )

    def _check_frame(
        self, peer: PeerNumber, requests: PeerRequests, now: int
    ) -> Iterator[Ended | Blame | Send]:
        arriving = requests.arriving
        if arriving is None or arriving.slow:
            requests.frame_timer = False
            return
        if arriving.check_at <= now:
            if not arriving.enough():
                # Nothing else can come on the stream before it, so it stays and gives no time.
                arriving.slow, requests.frame_timer = True, False
                for number, request in list(requests.open.items()):
                    if not request.closing and arriving.kind in request.shape.awaited:
                        yield from self._late(peer, requests, number, now, "came too slowly")
                return
            arriving.size, arriving.check_at = 0, now + DRIP_OVER_MS
        heappush(self._timers, (arriving.check_at, peer, _FRAME))

    def _check_request(
        self, peer: PeerNumber, requests: PeerRequests, number: int, now: int
    ) -> Iterator[Ended | Blame | Send]:
        request = requests.open[number]
        if request.deadline <= now:
            if request.closing:
                yield Blame(peer, Offence.LATE, "a request did not end within a minute")
                request.begin_anew(now)
            else:
                yield from self._late(peer, requests, number, now, "did not come in time")
        self._set_timer(peer, number, request)

    def _set_timer(self, peer: PeerNumber, number: int, request: OpenRequest) -> None:
        request.timer = request.deadline
        heappush(self._timers, (request.deadline, peer, number))

    def _late(
        self, peer: PeerNumber, requests: PeerRequests, number: int, now: int, what: str
    ) -> Iterator[Ended | Blame | Send]:
        request = requests.open[number]
        requests.close(number, now)
        yield Ended(peer, request.owner, request.key, End.LATE)
        arriving = requests.arriving
        # A chunk of a package is large, and was asked for: what it holds up on a thin line is no
        # fault. Whoever lets it hold up everything has a minute, as all that are closing.
        behind_chunk = arriving is not None and arriving.kind == Chunk.TYPE
        if request.owner.blames_late and not behind_chunk:
            reason = f"an answer that {request.owner.value} asked for {what}"
            yield Blame(peer, Offence.LATE_ANSWER, reason)
        yield Send(peer, talk.Nevermind(number))
        self._hurry_oldest_closing(peer, requests, now)

    def _hurry_oldest_closing(self, peer: PeerNumber, requests: PeerRequests, now: int) -> None:
        if requests.closing <= MOST_CLOSING:
            return
        for number, request in requests.open.items():
            if request.closing:
                request.deadline = now
                self._set_timer(peer, number, request)
                return
