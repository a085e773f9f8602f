"""Whom to dial next: the network page, sections 5 and 9.

Static peers first, then the anchors, then what the address book chooses for the places that are
free: 8 full and 2 blocks-only connections, all to different netgroups, and a feeler every two
minutes. The operator's static peers take full places. At most 4 dials run at once.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from esper.p2p.limits import BLOCKS_ONLY_OUTBOUND, FULL_OUTBOUND
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.dial_backoff import LONGEST_STATIC_MS, MOST_FAILURES, backoff_ms
from esper.p2p.peers.netgroup import Localities
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.places.connections import Kind
from esper.p2p.peers.places.slots import Slots
from esper.p2p.ports import Random

DIALS_AT_ONCE: Final = 4
FEELER_EVERY_MS: Final = 120_000
LOOK_AGAIN_MS: Final = 1_000
"""While places are free the plan is asked so often."""
ANCHORS: Final = 2
MOST_OWN: Final = 64
"""Addresses remembered as ours."""
MOST_STATIC: Final = FULL_OUTBOUND
"""They take full places."""


class TooManyStaticError(ValueError):
    """More static peers than there are places."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} peers to stay connected to are named, {MOST_STATIC} are the most"
        )
        self.count = count
        """So many."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect to an address, and tell the plan how it ended."""

    address: PeerAddress
    """Where, and the id that must be met."""
    kind: Kind
    """What the connection is for."""


@dataclass(frozen=True, slots=True)
class DialStatistics:
    """Dialling in numbers."""

    dialling: int
    """Dials that run."""
    static_missing: int
    """Static peers that are not connected."""
    anchors: int
    """Anchors that were not dialled yet."""


@dataclass(slots=True)
class _Static:
    address: PeerAddress
    failures: int = 0
    rests_until_ms: int = 0


class DialPlan:
    """Chooses dials, and tells the book how they ended."""

    def __init__(
        self,
        book: AddressBook,
        slots: Slots,
        localities: Localities,
        *,
        static: Iterable[PeerAddress] = (),
        connect_only: bool = False,
        anchors: Iterable[PeerAddress] = (),
        now_ms: int,
    ) -> None:
        self._book = book
        self._slots = slots
        self._localities = localities
        self._static = [_Static(address) for address in dict.fromkeys(static)]
        if len(self._static) > MOST_STATIC:
            raise TooManyStaticError(len(self._static))
        self._connect_only = connect_only
        self._anchors = deque(anchors, maxlen=ANCHORS)
        self._last_blocks_only: deque[PeerAddress] = deque(self._anchors, maxlen=ANCHORS)
        self._dialling: dict[bytes, Dial] = {}
        """By endpoint."""
        self._own: set[bytes] = set()
        self._feeler_ms = now_ms + FEELER_EVERY_MS
        self._look_ms = now_ms

    @property
    def anchors(self) -> tuple[PeerAddress, ...]:
        """The last blocks-only peers, at most 2: dialled first after the next start."""
        return tuple(self._last_blocks_only)

    @property
    def static(self) -> tuple[PeerAddress, ...]:
        """Peers to stay connected to, at most MOST_STATIC."""
        return tuple(one.address for one in self._static)

    def add_static(self, address: PeerAddress) -> None:
        """Stay connected to a peer from now on. Raises TooManyStaticError."""
        if any(one.address == address for one in self._static):
            return
        if len(self._static) >= MOST_STATIC:
            raise TooManyStaticError(len(self._static) + 1)
        self._static.append(_Static(address))
        self._slots.add_static(address.peer_id)

    def static_ids(self, peer_id: bytes, ip: bytes, port: int) -> tuple[bytes, ...]:
        """Ids of static peers of an id, or, where it is empty, of an address; port 0: any."""
        return tuple(
            one.address.peer_id
            for one in self._static
            if (
                one.address.peer_id == peer_id
                if peer_id
                else one.address.ip == ip and port in (0, one.address.port)
            )
        )

    def remove_static(self, peer_id: bytes) -> None:
        """Dial a peer no more on its own account."""
        self._static = [one for one in self._static if one.address.peer_id != peer_id]
        self._slots.remove_static(peer_id)

    def begun(self, address: PeerAddress) -> None:
        """The operator's own dial of a static peer runs: no second one is wanted beside it."""
        self._dialling[address.endpoint] = Dial(address, Kind.STATIC)

    def due(self) -> int:
        """When ``next_dials`` is to be called again."""
        return self._look_ms

    def next_dials(
        self, now_ms: int, random: Random, is_barred: Callable[[bytes], bool]
    ) -> list[Dial]:
        """The dials to begin now. ``is_barred`` says which ids are kept away."""
        self._look_ms = now_ms + LOOK_AGAIN_MS
        dials: list[Dial] = []
        while len(self._dialling) < DIALS_AT_ONCE:
            dial = self._next(now_ms, random, is_barred)
            if dial is None:
                break
            self._dialling[dial.address.endpoint] = dial
            self._book.dialling(dial.address.endpoint, now_ms, random)
            dials.append(dial)
        return dials

    def reached(self, address: PeerAddress, services: int, now_min: int) -> None:
        """A dial came to its hello, and met the id that it expected.

        Then the connection is told to the slots at once: in between its place looks free.
        """
        dial = self._dialling.pop(address.endpoint, None)
        self._book.reached(address, services, now_min)
        for one in self._static:
            if one.address == address:
                one.failures = 0
        if dial is not None and dial.kind is Kind.BLOCKS_ONLY:
            if address in self._last_blocks_only:
                self._last_blocks_only.remove(address)
            self._last_blocks_only.append(address)

    def failed(self, address: PeerAddress, now_min: int) -> None:
        """A dial ended before its hello, or by a bye instead of one."""
        self._dialling.pop(address.endpoint, None)
        self._book.failed(address.endpoint, now_min)

    def met_another(self, address: PeerAddress, found_id: bytes | None, now_min: int) -> None:
        """A dial met another id than expected, and was closed."""
        self._dialling.pop(address.endpoint, None)
        self._book.failed(address.endpoint, now_min)
        self._book.met_another(address, found_id, now_min)

    def met_ourselves(self, address: PeerAddress) -> None:
        """A dial met this node: the address is ours, and never dialled again."""
        self._dialling.pop(address.endpoint, None)
        self._book.remove(address.endpoint)
        # More than a node has; whoever forwards connections back to us could add to them.
        if len(self._own) < MOST_OWN:
            self._own.add(address.endpoint)

    def statistics(self) -> DialStatistics:
        """Counts."""
        return DialStatistics(len(self._dialling), self._static_missing(), len(self._anchors))

    def _next(self, now_ms: int, random: Random, is_barred: Callable[[bytes], bool]) -> Dial | None:
        dialled = {dial.address.peer_id for dial in self._dialling.values()}
        ids = self._slots.ids() | dialled
        static = self._next_static(now_ms, random, ids, is_barred)
        if static is not None or self._connect_only:
            return static
        groups = self._slots.outbound_groups() | {
            self._localities.group(dial.address.ip, dial.address.port)
            for dial in self._dialling.values()
            if dial.kind is not Kind.FEELER
        }
        # There are as many blocks-only places as anchors, and no other dial comes before these.
        anchor = self._next_anchor(groups, ids, is_barred)
        if anchor is not None:
            return anchor
        for kind in (Kind.FULL, Kind.BLOCKS_ONLY):
            if self._free(kind) > 0:
                address = self._book.choose(
                    now_ms, random, groups=groups, ids=ids, is_barred=is_barred
                )
                return self._unless_ours(address, kind) or self._feeler(
                    now_ms, random, ids, is_barred
                )
        return self._feeler(now_ms, random, ids, is_barred)

    def _next_static(
        self,
        now_ms: int,
        random: Random,
        ids: frozenset[bytes],
        is_barred: Callable[[bytes], bool],
    ) -> Dial | None:
        found = None
        for one in self._static:
            wanted = one.address.peer_id not in ids and one.rests_until_ms <= now_ms
            if wanted and not is_barred(one.address.peer_id):
                found = one
                break
        if found is None:
            return None
        found.failures = min(found.failures + 1, MOST_FAILURES)
        found.rests_until_ms = now_ms + backoff_ms(found.failures, random, LONGEST_STATIC_MS)
        return self._unless_ours(found.address, Kind.STATIC)

    def _next_anchor(
        self, groups: set[bytes], ids: frozenset[bytes], is_barred: Callable[[bytes], bool]
    ) -> Dial | None:
        while self._anchors:
            address = self._anchors.popleft()
            group = self._localities.group(address.ip, address.port)
            taken = group in groups or address.peer_id in ids
            if not taken and not is_barred(address.peer_id):
                return self._unless_ours(address, Kind.BLOCKS_ONLY)
        return None

    def _feeler(
        self,
        now_ms: int,
        random: Random,
        ids: frozenset[bytes],
        is_barred: Callable[[bytes], bool],
    ) -> Dial | None:
        if now_ms < self._feeler_ms or self._free(Kind.FEELER) <= 0:
            return None
        self._feeler_ms = now_ms + FEELER_EVERY_MS
        address = self._book.feeler(now_ms, random, ids=ids, is_barred=is_barred)
        return self._unless_ours(address, Kind.FEELER)

    def _unless_ours(self, address: PeerAddress | None, kind: Kind) -> Dial | None:
        if address is None:
            return None
        if address.endpoint in self._own:
            # Somebody told us of ourselves again.
            self._book.remove(address.endpoint)
            return None
        return Dial(address, kind)

    def _free(self, kind: Kind) -> int:
        """Places of a kind that neither a connection has nor a dial will have."""
        dialled = [dial.kind for dial in self._dialling.values()]
        if kind is Kind.FULL:
            taken = self._slots.count(Kind.FULL, Kind.STATIC) + dialled.count(Kind.FULL)
            return FULL_OUTBOUND - taken - self._static_missing()
        most = BLOCKS_ONLY_OUTBOUND if kind is Kind.BLOCKS_ONLY else 1
        return most - self._slots.count(kind) - dialled.count(kind)

    def _static_missing(self) -> int:
        ids = self._slots.ids()
        return sum(one.address.peer_id not in ids for one in self._static)
