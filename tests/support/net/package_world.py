"""The machine of packages among peers of all kinds, in a queue of events: no tasks, no sockets."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

from esper.p2p.actions import Ask, Blame, Cancel, End, Send
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import Delivered, Ended, Requests
from esper.p2p.packages import bits
from esper.p2p.packages.downloads import Downloads
from esper.p2p.packages.events import Fetched, Hopeless
from esper.p2p.packages.ports import BeginPackage, FindPackage, KeepChunk, Known
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.verdicts import Failure
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import PackageAnswer, PackageRequest
from esper.primitives.errors.rule_violation import Consequence
from tests.support.net.package_store import ERRORS, Package, Shelf

BLAMED_FOR_BYTES = frozenset({Offence.BYTES, Offence.SIZE, Offence.UNASKED})
Answers = list[tuple[int, PackageAnswer | talk.Refuse]]


@dataclass
class Giver:
    """An honest peer: has what it says, answers in order, a chunk in so many ms."""

    packages: dict[bytes, tuple[Package, set[int]]] = field(default_factory=dict)
    """By root, the package and what it has of it."""
    latency_ms: int = 20
    chunk_ms: int = 10
    outbound: bool = False
    free_at: int = 0
    gave: list[int] = field(default_factory=list)
    asked_for: list[PackageRequest] = field(default_factory=list)

    @classmethod
    def of(cls, *whole: Package, **more: Any) -> Giver:
        return cls({one.root: (one, set(range(len(one.chunks)))) for one in whole}, **more)

    def has(self, one: Package, indices: Iterable[int]) -> Giver:
        self.packages[one.root] = (one, set(indices))
        return self

    def answers(self, request: PackageRequest, now: int) -> Answers:
        """What it says, and how many ms later it is there."""
        self.asked_for.append(request)
        found = self.packages.get(request.root)
        if found is None:
            return self.says(talk.Refuse(request.number, request.root, talk.REFUSED_UNKNOWN))
        one, here = found
        number, total = request.number, len(one.chunks)
        match request:
            case packages.GetDigests(page=page):
                part = one.digests[page * 131_072 : (page + 1) * 131_072]
                if not part:
                    return self.says(talk.Refuse(number, one.root, talk.REFUSED_UNKNOWN))
                return self.says(packages.Digests(number, one.root, page, total, part))
            case packages.GetHoldings():
                wire = bits.to_wire(bits.set_of(here, total), total)
                return self.says(packages.Holdings(number, one.root, total, wire))
            case packages.GetChunk(index=index):
                if index not in here:
                    return self.says(talk.Refuse(number, one.root, talk.REFUSED_UNKNOWN))
                return self.gives(number, one, index, now)

    def taken_back(self, number: int) -> Answers:
        """What it says when a request is taken back."""
        return []

    def says(self, answer: PackageAnswer | talk.Refuse) -> Answers:
        return [(2 * self.latency_ms, answer)]

    def gives(self, number: int, one: Package, index: int, now: int) -> Answers:
        self.gave.append(index)
        self.free_at = max(self.free_at, now + self.latency_ms) + self.chunk_ms
        there = self.free_at + self.latency_ms - now
        return [(there, packages.Chunk(number, one.root, index, one.chunks[index]))]


@dataclass
class Liar(Giver):
    """Gives wrong bytes once it has given so many chunks."""

    honest_chunks: int = 0

    def gives(self, number: int, one: Package, index: int, now: int) -> Answers:
        if len(self.gave) < self.honest_chunks:
            return super().gives(number, one, index, now)
        self.gave.append(index)
        return [(2 * self.latency_ms, packages.Chunk(number, one.root, index, b"wrong"))]


@dataclass
class ListLiar(Giver):
    """Gives another list of digests."""

    longer: bool = False

    def answers(self, request: PackageRequest, now: int) -> Answers:
        if isinstance(request, packages.GetDigests) and request.root in self.packages:
            total = len(self.packages[request.root][0].chunks) + self.longer
            return self.says(
                packages.Digests(request.number, request.root, 0, total, bytes(32 * total))
            )
        return super().answers(request, now)


@dataclass
class CountLiar(Giver):
    """Says that the package has more chunks than it has."""

    def answers(self, request: PackageRequest, now: int) -> Answers:
        if isinstance(request, packages.GetHoldings) and request.root in self.packages:
            total = len(self.packages[request.root][0].chunks) + 1
            wire = bits.to_wire(bits.everything(total), total)
            return self.says(packages.Holdings(request.number, request.root, total, wire))
        return super().answers(request, now)


@dataclass
class Boaster(Giver):
    """Says that it has everything, and refuses all."""

    def gives(self, number: int, one: Package, index: int, now: int) -> Answers:
        return self.says(talk.Refuse(number, one.root, talk.REFUSED_UNKNOWN))


@dataclass
class Staller(Giver):
    """Says nothing more about chunks after so many."""

    honest_chunks: int = 0

    def gives(self, number: int, one: Package, index: int, now: int) -> Answers:
        if len(self.gave) < self.honest_chunks:
            return super().gives(number, one, index, now)
        return []


@dataclass
class Mute(Giver):
    """Answers nothing at all."""

    def answers(self, request: PackageRequest, now: int) -> Answers:
        self.asked_for.append(request)
        return []

    def taken_back(self, number: int) -> Answers:
        return self.says(talk.Refuse(number, WHOLE_REST, talk.REFUSED_CANCELLED))


@dataclass
class Busy(Giver):
    """Refuses everything as busy, with what has not come too."""

    def answers(self, request: PackageRequest, now: int) -> Answers:
        self.asked_for.append(request)
        return self.says(talk.Refuse(request.number, WHOLE_REST, talk.REFUSED_BUSY))


LYING = (Liar, ListLiar, CountLiar)


class PackageWorld:
    """A node that wants packages, its disk, and its peers."""

    def __init__(self, seed: int = 1, shelf: Shelf | None = None, **more: Any) -> None:
        self.now = 0
        self.shelf = shelf or Shelf()
        self.requests = Requests()
        self.machine = Downloads(random.Random(seed), 0, **more)
        self.peers: dict[PeerNumber, Giver] = {}
        self.gone: set[PeerNumber] = set()
        self.blamed: list[tuple[PeerNumber, Offence]] = []
        self.told: list[object] = []
        self.job_ms = 3
        self.cancels = 0
        self.asked_in_vain = 0
        """Requests to peers that are gone."""
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = count()

    # Peers.

    def join(self, giver: Giver) -> PeerNumber:
        number = PeerNumber(len(self.peers) + 1)
        self.peers[number] = giver
        peer = Peer(
            number, number.to_bytes(38, "big"), giver.outbound, bytes((number,)), chunks=True
        )
        self.perform(self.machine.joined(peer, self.now))
        return number

    def leave(self, number: PeerNumber) -> None:
        if number in self.gone:
            return
        self.gone.add(number)
        for event in self.requests.left(number):
            self._tell(event)
        self.perform(self.machine.left(number, self.now))

    # The node.

    def fetch(self, root: bytes, priority: int = 0) -> None:
        self.perform(self.machine.fetch(root, priority, self.now))

    def cancel(self, root: bytes) -> None:
        self.perform(self.machine.cancel(root, self.now))

    @property
    def fetched(self) -> list[bytes]:
        return [one.root for one in self.told if isinstance(one, Fetched)]

    @property
    def hopeless(self) -> list[bytes]:
        return [one.root for one in self.told if isinstance(one, Hopeless)]

    def perform(self, actions: Iterable[object]) -> None:
        waiting = list(actions)
        while waiting:
            match waiting.pop(0):
                case Ask(peer, key, request):
                    if peer in self.gone:
                        self.asked_in_vain += 1
                        waiting += self.machine.ended(peer, key, End.LEFT, self.now)  # type: ignore[arg-type]
                        continue
                    sent = self.requests.ask(peer, Owner.PACKAGES, key, request, self.now)
                    for delay, answer in self.peers[peer].answers(sent, self.now):  # type: ignore[arg-type]
                        self._later(delay, self._answers, peer, answer)
                case Cancel(peer, key):
                    nevermind = self.requests.cancel(peer, Owner.PACKAGES, key, self.now)
                    assert nevermind is not None or peer in self.gone
                    self.cancels += 1
                    if nevermind is not None:
                        self._take_back(peer, nevermind)
                case Blame(peer, offence):
                    self.blamed.append((peer, offence))
                    self._later(1, self.leave, peer)
                case FindPackage() | BeginPackage() | KeepChunk() as job:
                    self._later(self.job_ms, self._does, job)
                case told:
                    self.told.append(told)

    def run(self, until: Callable[[], bool] = lambda: False, most_ms: int = 3_600_000) -> int:
        """Until something holds, or nothing is left to happen; how many ms that took."""
        began = self.now
        while not until():
            times = [one for one in (self.machine.due(), self.requests.due()) if one is not None]
            if self._events:
                times.append(self._events[0][0])
            if not times or min(times) > began + most_ms:
                break
            self.now = max(self.now, min(times))
            if self._events and self._events[0][0] <= self.now:
                heappop(self._events)[2]()
                continue
            for event in self.requests.on_time(self.now):
                if isinstance(event, Ended):
                    self._tell(event)
                elif isinstance(event, Blame):
                    # A minute without an end: the connection goes, nobody is banned.
                    assert event.offence is Offence.LATE
                    self.leave(event.peer)
                else:
                    assert isinstance(event, Send)
                    assert isinstance(event.message, talk.Nevermind)
                    self._take_back(event.peer, event.message)
            due = self.machine.due()
            if due is not None and due <= self.now:
                self.perform(self.machine.on_time(self.now))
                after = self.machine.due()
                assert after is None or after > self.now, "a timer that is due for ever"
        return self.now - began

    def step(self) -> None:
        """Until one more thing has happened."""
        steps = iter((False, True))
        self.run(lambda: next(steps))

    def _take_back(self, peer: PeerNumber, nevermind: talk.Nevermind) -> None:
        for delay, answer in self.peers[peer].taken_back(nevermind.number):
            self._later(delay, self._answers, peer, answer)

    def _later(self, delay: int, do: Callable[..., None], *given: Any) -> None:
        heappush(self._events, (self.now + delay, next(self._serial), lambda: do(*given)))

    def _answers(self, peer: PeerNumber, answer: PackageAnswer | talk.Refuse) -> None:
        if peer in self.gone:
            return
        self.requests.arrived(peer)
        try:
            events = self.requests.answer(peer, answer, self.now)
        except Fault as fault:
            self.blamed.append((peer, fault.offence))
            self.leave(peer)
            return
        for event in events:
            self._tell(event)

    def _tell(self, event: Delivered | Ended) -> None:
        match event:
            case Delivered(peer, _, key, answer):
                self.perform(self.machine.answered(peer, key, answer, self.now))  # type: ignore[arg-type]
            case Ended(peer, _, key, end):
                self.perform(self.machine.ended(peer, key, end, self.now))  # type: ignore[arg-type]

    def _does(self, job: FindPackage | BeginPackage | KeepChunk) -> None:
        value: object
        try:
            value = self._value(job)
        except ERRORS.wrong as error:
            value = Failure(Consequence.WRONG_BYTES, Offence.BYTES, str(error))
        except ERRORS.hopeless as error:
            value = Failure(Consequence.INVALID, None, str(error))
        except OSError as error:
            value = Failure.of_machine(error)
        self.perform(self.machine.done(job.key, value, self.now))  # type: ignore[arg-type]

    def _value(self, job: FindPackage | BeginPackage | KeepChunk) -> Known | None:
        match job:
            case FindPackage():
                kept = self.shelf.find(job.root)
                if kept is None:
                    return None
            case BeginPackage():
                kept = self.shelf.begin(job.root, job.digests)
            case KeepChunk():
                self.shelf.kept[job.root].put(job.index, job.data)
                return None
        total = kept.digest_count()
        return Known(total, bits.set_of(kept.missing(), total), bits.set_of(kept.chunks, total))
