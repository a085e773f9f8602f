"""Packages of models for the node: fetch one, offer one, and how far the fetching is."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import trio

from esper.p2p.flow.open_requests import Owner
from esper.p2p.limits import PACKAGE_DOWN_PER_S, PACKAGE_UP_PER_S
from esper.p2p.packages.downloads import Downloads
from esper.p2p.packages.events import Fetched, Hopeless, PackageProgress
from esper.p2p.packages.offers import Offers
from esper.p2p.packages.ports import BeginPackage, FindPackage, KeepChunk, Known
from esper.p2p.packages.serving import Serving
from esper.p2p.peer import CHUNKS, Peer, PeerNumber
from esper.p2p.ports import Random
from esper.p2p.service.connection import Connection
from esper.p2p.service.packages.package_answers import PackageAnswering
from esper.p2p.service.packages.package_jobs import (
    Offload,
    PackageJobs,
    PackageSource,
    in_thread,
)
from esper.p2p.verdicts import Failure
from esper.p2p.wire.messages import PackageRequest
from esper.p2p.wire.talk_messages import Refuse
from esper.primitives.hashing import HASH_BYTES
from esper.saying import warn

LOG: Final = logging.getLogger("esper.network")


class NoPackagesError(Exception):
    """This node has no store of models."""

    def __init__(self) -> None:
        super().__init__("this node has no store of models; start it with one")


class PackageHopelessError(Exception):
    """A package that cannot be, whoever gives it."""

    def __init__(self, root: bytes, reason: str) -> None:
        super().__init__(f"package {root.hex()[:16]}…: {reason}")
        self.root = root


class Room(Protocol):
    """Carries out actions: the ``MachineRoom``."""

    def perform(self, owner: Owner, actions: Iterable[object]) -> None:
        """Carry out what a machine wants."""


@dataclass(slots=True)
class _Waited:
    """A package that somebody waits for."""

    over: trio.Event = field(default_factory=trio.Event)
    waiters: int = 0
    hopeless: str | None = None


class Packages:
    """What a node fetches, and what it gives."""

    def __init__(
        self,
        source: PackageSource | None,
        random: Random,
        steady: Callable[[], int],
        *,
        up_per_s: int = PACKAGE_UP_PER_S,
        down_per_s: int = PACKAGE_DOWN_PER_S,
        offload: Offload = in_thread,
    ) -> None:
        """``source``: None in a node that keeps no models: it neither fetches nor offers any."""
        now = steady()
        self.machine = Downloads(random, now, down_per_s)
        """Fetches."""
        self.serving = Serving(Offers(), now, up_per_s)
        """Gives."""
        self._steady = steady
        self._jobs = PackageJobs(source, self.serving.offers, offload) if source else None
        self._answering = PackageAnswering(self.serving, self._jobs, steady)
        self._waited: dict[bytes, _Waited] = {}
        self._room: Room | None = None
        self._runs = trio.Event()

    @property
    def services(self) -> int:
        """Bits that hello says."""
        return CHUNKS if self._jobs is not None else 0

    @property
    def jobs(self) -> dict[type, PackageJobs]:
        """Who does the machine's jobs."""
        if self._jobs is None:
            return {}
        return dict.fromkeys((FindPackage, BeginPackage, KeepChunk), self._jobs)

    def perform_in(self, room: Room) -> None:
        """Where actions are carried out."""
        self._room = room

    async def run(self, connection_of: Callable[[PeerNumber], Connection | None]) -> None:
        """Answer, until cancelled; the machine room runs already."""
        self._runs.set()
        await self._answering.run(connection_of)

    async def fetch(self, root: bytes, priority: int = 0, *, offer: bool = True) -> None:
        """Until a package is whole; what is here already is not fetched again.

        What the store does with a whole package, such as giving it its last place, is for others.
        Cancelled, the fetching ends, and what came stays. ``offer``: what is here of it is given
        to peers from now on, unless it cannot be. Raises NoPackagesError, PackageHopelessError,
        TooManyDownloadsError, TooManyOffersError, and ValueError for a root of another length.
        """
        if self._jobs is None:
            raise NoPackagesError
        _check_root(root)
        await self._runs.wait()
        if offer:
            await self.offer(root)
        with self._waiting_for(root) as waited:
            self._do(self.machine.fetch(root, priority, self._steady()))
            await waited.over.wait()
        if waited.hopeless is not None:
            raise PackageHopelessError(root, waited.hopeless)

    async def offer(self, root: bytes) -> bool:
        """Give what is here of a package to peers, and what will be; whether anything is.

        Raises NoPackagesError, TooManyOffersError, and ValueError for a root of another length.
        """
        if self._jobs is None:
            raise NoPackagesError
        _check_root(root)
        if root not in self.serving.offers:
            # With nothing first: the look at the disk says what is here.
            self.serving.offers.put(root, b"", 0)
        found = await self._jobs.run(FindPackage(None, root))
        if isinstance(found, Failure):
            warn(
                LOG,
                "package_unread",
                "package {root} is not given to peers, for it cannot be read: {reason}",
                root=root.hex()[:16],
                reason=found.reason,
            )
        return isinstance(found, Known)

    def withdraw(self, root: bytes) -> None:
        """Give a package to nobody any more."""
        self.serving.offers.withdraw(root)
        self._forget(root)

    def progress(self) -> tuple[PackageProgress, ...]:
        """Of all that is fetched now, the most wanted first."""
        return self.machine.progress(self._steady())

    # What the network tells.

    def joined(self, peer: Peer) -> None:
        """A peer that may ask."""
        self.serving.joined(peer, self._steady())

    def left(self, number: PeerNumber) -> None:
        """It is gone."""
        self.serving.left(number)

    def asked(self, number: PeerNumber, request: PackageRequest) -> Refuse | None:
        """A request; what to send if it is refused at once. Raises Fault."""
        refuse = self.serving.asked(number, request, self._steady())
        self._answering.wake()
        return refuse

    def nevermind(self, number: PeerNumber, request: int) -> Refuse | None:
        """A request is taken back; what to send, if it was one of these."""
        return self.serving.nevermind(number, request)

    def told(self, action: object) -> None:
        """What the machine says."""
        match action:
            case Fetched(root):
                self._over(root, None)
            case Hopeless(root, reason):
                self.serving.offers.withdraw(root)
                self._over(root, reason)
            case _:
                return

    def _over(self, root: bytes, hopeless: str | None) -> None:
        waited = self._waited.pop(root, None)
        if waited is not None:
            waited.hopeless = hopeless
            waited.over.set()
        self._forget(root)

    @contextmanager
    def _waiting_for(self, root: bytes) -> Iterator[_Waited]:
        """Count who waits: when the last is gone before it is over, it is wanted no more."""
        waited = self._waited.setdefault(root, _Waited())
        waited.waiters += 1
        try:
            yield waited
        finally:
            waited.waiters -= 1
            if not waited.waiters and self._waited.get(root) is waited:
                del self._waited[root]
                self._do(self.machine.cancel(root, self._steady()))
                self._forget(root)

    def _forget(self, root: bytes) -> None:
        if self._jobs is None or root in self._waited or root in self.serving.offers:
            return
        self._jobs.forget(root)

    def _do(self, actions: Iterable[object]) -> None:
        if self._room is not None:
            self._room.perform(Owner.PACKAGES, actions)


def _check_root(root: bytes) -> None:
    if len(root) != HASH_BYTES:
        raise ValueError(f"root has {len(root)} bytes, must have {HASH_BYTES}")
