"""Which nodes there are, as far as others told and as far as we tried: the network page, section 9.

    told --> new (256 buckets x 32) --reached--> tried (64 x 32)
                 ^                                 |
                 +-- another id; its slot's holder was tested and failed

A place depends on a secret and on netgroups: the addresses that one source group tells of reach 16
buckets of *new*, the addresses of one group 4 of *tried*. A full slot of *new* is only taken from
an address that has gone stale, a full slot of *tried* only after its holder failed a test dial. So
neither telling of addresses by the thousand nor running many nodes in few groups displaces others.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from esper.p2p.peers.book.address_table import (
    NEW_BUCKETS,
    TRIED_BUCKETS,
    AddressTable,
    Entry,
    Places,
)
from esper.p2p.peers.dial_backoff import MOST_FAILURES, backoff_ms
from esper.p2p.peers.netgroup import Localities, may_be_told
from esper.p2p.peers.peer_address import ID_PREFIX, PeerAddress
from esper.p2p.ports import Random
from esper.p2p.wire.fields import KnownAddress

MOST_TESTS: Final = 16
"""Holders of *tried* slots that wait for a test; more newcomers stay in *new*."""
ENOUGH_TRIED: Final = 16
"""Reached addresses that make the seeds of the release unnecessary."""

TOLD_AGE_MIN: Final = 120
"""Taken off what others say of when a node was seen: they may exaggerate."""

ENTRY_BYTES: Final = 700
"""What an entry takes in memory, about."""


@dataclass(frozen=True, slots=True)
class BookStatistics:
    """The address book in numbers."""

    new: int
    """Addresses that were told and never reached."""
    tried: int
    """Addresses that were reached."""
    new_buckets: int
    """Buckets with at least one of them, of 256."""
    tried_buckets: int
    """Of 64."""
    tests: int
    """Holders of slots that wait for a test dial."""
    bytes: int
    """Memory, about."""


class AddressBook:
    """The addresses of other nodes. Times in minutes are wall-clock, in ms of a steady clock."""

    def __init__(self, secret: bytes, localities: Localities) -> None:
        self._places = Places(secret)
        self.secret = secret
        """Decides who stands where; kept with the book, told to nobody."""
        self._localities = localities
        self._new = AddressTable(NEW_BUCKETS)
        self._tried = AddressTable(TRIED_BUCKETS)
        self._entries: dict[bytes, Entry] = {}
        self._tests: OrderedDict[bytes, bytes] = OrderedDict()
        """Endpoint of the holder of a *tried* slot, and of the newcomer that would have it."""

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> Iterable[Entry]:
        """All entries, in the order in which they came."""
        return self._entries.values()

    def find(self, endpoint: bytes) -> Entry | None:
        """What is known of an address and port of 18 bytes."""
        return self._entries.get(endpoint)

    @property
    def wants_seeds(self) -> bool:
        """Whether so few addresses were ever reached that those of the release are needed."""
        return len(self._tried) < ENOUGH_TRIED

    def add(self, told: KnownAddress, source_ip: bytes, source_port: int, now_min: int) -> bool:
        """Take in what a source tells; whether the address is in the book now and was not before.

        Of a known address only the time and the services are renewed: another id for it is not
        believed until a dial meets it.
        """
        if not (self._localities.keeps(told.ip) and may_be_told(told.ip, source_ip)):
            return False
        return self._add(told, self._localities.group(source_ip, source_port), now_min)

    def add_given(self, address: PeerAddress, now_min: int) -> bool:
        """Take in an address that the release or the operator names; whether it is new."""
        if not self._localities.keeps(address.ip):
            return False
        told = KnownAddress(address.ip, address.port, address.peer_id, 0, now_min)
        # Each is its own source: all of them find room.
        return self._add(told, self._localities.group(address.ip, address.port), now_min)

    def _add(self, told: KnownAddress, source: bytes, now_min: int) -> bool:
        if not told.peer_id.startswith(ID_PREFIX):
            return False
        seen_min = max(0, min(told.seen_min, now_min) - TOLD_AGE_MIN)
        address = PeerAddress(told.ip, told.port, told.peer_id)
        known = self._entries.get(address.endpoint)
        if known is not None:
            if known.address.peer_id == told.peer_id and seen_min > known.seen_min:
                known.seen_min = seen_min
                known.services = told.services
            return False
        group = self._localities.group(told.ip, told.port)
        entry = Entry(address, group, source, told.services, seen_min)
        return self._put_new(entry, now_min)

    def dialling(self, endpoint: bytes, now_ms: int, random: Random) -> None:
        """An address is dialled: until it is reached this counts as a failure."""
        entry = self._entries.get(endpoint)
        if entry is not None:
            entry.failures = min(entry.failures + 1, MOST_FAILURES)
            entry.rests_until_ms = now_ms + backoff_ms(entry.failures, random)

    def reached(self, address: PeerAddress, services: int, now_min: int) -> None:
        """A dial met the id that it expected: the address goes to *tried*.

        If another holds its slot, that one is to be tested by the feeler first; the network page
        counts on it that who holds a slot and answers keeps it.
        """
        entry = self._entries.get(address.endpoint)
        if entry is None or entry.address.peer_id != address.peer_id:
            return
        entry.failures = 0
        entry.rests_until_ms = 0
        entry.services = services
        entry.seen_min = entry.succeeded_min = now_min
        if entry.tried:
            self._tests.pop(address.endpoint, None)
            return
        place = self._places.in_tried(entry)
        holder = self._tried.at(place)
        if holder is None:
            self._to_tried(entry, place)
        elif len(self._tests) < MOST_TESTS:
            self._tests.setdefault(holder.address.endpoint, address.endpoint)

    def failed(self, endpoint: bytes, now_min: int) -> None:
        """A dial did not reach an address: a holder under test gives way to the newcomer."""
        newcomer = self._tests.pop(endpoint, None)
        holder = self._entries.get(endpoint)
        if newcomer is None or holder is None or not holder.tried:
            return
        entry = self._entries.get(newcomer)
        if entry is None or entry.tried or self._places.in_tried(entry) != holder.place:
            return
        place = holder.place
        # The newcomer leaves *new* first: the holder may get its slot there.
        self._new.remove(entry)
        self._back_to_new(holder, now_min)
        entry.tried = True
        self._tried.put(entry, place)

    def met_another(self, address: PeerAddress, found_id: bytes | None, now_min: int) -> None:
        """A dial met another id than expected: back to *new*, under the id that is there.

        Where that did not show (None) an address that was never reached is forgotten: under an id
        that somebody made up nobody could ever tell us the true one. One that was reached stays.
        """
        entry = self._entries.get(address.endpoint)
        if entry is None or entry.address.peer_id != address.peer_id:
            return
        if found_id is None and entry.succeeded_min == 0:
            self.remove(address.endpoint)
            return
        self._tests.pop(address.endpoint, None)
        if found_id is not None:
            entry.address = PeerAddress(address.ip, address.port, found_id)
        entry.services = 0
        entry.succeeded_min = 0
        if entry.tried:
            self._back_to_new(entry, now_min)

    def seen(self, endpoint: bytes, now_min: int) -> None:
        """A connection to an address ended, or lasts: it was there until now."""
        entry = self._entries.get(endpoint)
        if entry is not None:
            entry.seen_min = max(entry.seen_min, now_min)

    def remove(self, endpoint: bytes) -> None:
        """Forget an address, such as our own."""
        entry = self._entries.pop(endpoint, None)
        if entry is not None:
            self._tests.pop(endpoint, None)
            (self._tried if entry.tried else self._new).remove(entry)

    def choose(
        self,
        now_ms: int,
        random: Random,
        *,
        groups: Collection[bytes] = (),
        ids: Collection[bytes] = (),
        is_barred: Callable[[bytes], bool] = lambda peer_id: False,
        new_only: bool = False,
    ) -> PeerAddress | None:
        """An address to dial: of *tried* and of *new* as often, where both have one.

        Left out are ``groups``, ``ids``, ids that are barred and what rests after a failure. None
        if nothing is left.
        """

        def is_wanted(entry: Entry) -> bool:
            return (
                entry.rests_until_ms <= now_ms
                and entry.group not in groups
                and entry.address.peer_id not in ids
                and not is_barred(entry.address.peer_id)
            )

        tables = [self._new] if new_only else [self._tried, self._new]
        if len(tables) == 2 and random.randrange(2):
            tables.reverse()
        for table in tables:
            entry = table.choose(random, is_wanted)
            if entry is not None:
                return entry.address
        return None

    def feeler(
        self,
        now_ms: int,
        random: Random,
        *,
        ids: Collection[bytes] = (),
        is_barred: Callable[[bytes], bool] = lambda peer_id: False,
    ) -> PeerAddress | None:
        """Whom to try: the holder of a slot that another wants, else an address never reached.

        Holders that are connected (``ids``) have passed.
        """
        for endpoint in list(self._tests):
            holder = self._entries[endpoint]
            if holder.address.peer_id in ids:
                self._tests.pop(endpoint)
            elif holder.rests_until_ms <= now_ms:
                return holder.address
        return self.choose(now_ms, random, ids=ids, is_barred=is_barred, new_only=True)

    def statistics(self) -> BookStatistics:
        """Counts and memory."""
        return BookStatistics(
            new=len(self._new),
            tried=len(self._tried),
            new_buckets=self._new.filled,
            tried_buckets=self._tried.filled,
            tests=len(self._tests),
            bytes=len(self._entries) * ENTRY_BYTES,
        )

    def restore(self, entries: Iterable[Entry], now_min: int) -> int:
        """Take back what was written; how many found a place. Earlier ones come first."""
        restored = 0
        for entry in entries:
            if entry.address.endpoint in self._entries or not self._localities.keeps(
                entry.address.ip
            ):
                continue
            # The network's rules of grouping may have changed since.
            entry.group = self._localities.group(entry.address.ip, entry.address.port)
            was_tried, entry.tried = entry.tried, False
            place = self._places.in_tried(entry)
            if was_tried and self._tried.at(place) is None:
                self._entries[entry.address.endpoint] = entry
                entry.tried = True
                self._tried.put(entry, place)
                restored += 1
            else:
                restored += self._put_new(entry, now_min)
        return restored

    def _put_new(self, entry: Entry, now_min: int) -> bool:
        """Put an entry that stands nowhere into *new*; False if its slot is somebody else's."""
        place = self._places.in_new(entry)
        holder = self._new.at(place)
        if holder is not None:
            if not holder.gives_way(now_min):
                self._entries.pop(entry.address.endpoint, None)
                return False
            self.remove(holder.address.endpoint)
        entry.tried = False
        self._new.put(entry, place)
        self._entries[entry.address.endpoint] = entry
        return True

    def _to_tried(self, entry: Entry, place: tuple[int, int]) -> None:
        self._new.remove(entry)
        entry.tried = True
        self._tried.put(entry, place)

    def _back_to_new(self, entry: Entry, now_min: int) -> None:
        """Move an entry of *tried*; it is forgotten if its slot in *new* is somebody else's."""
        self._tried.remove(entry)
        self._put_new(entry, now_min)
