"""A table of buckets and slots, in which an address has one place that only we can foretell.

The place follows from a secret, so nobody can aim at the slot of somebody else, and from netgroups,
so whoever has few groups reaches few buckets. Choosing goes by bucket first: an owner who fills his
buckets is chosen as often as his buckets are, not as his addresses are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from esper.p2p.peers.netgroup import Reach, reach_of
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.ports import Random
from esper.primitives.hashing import Tag, make_tag, tagged_hash32, u16

SLOTS: Final = 32
"""Of a bucket."""
NEW_BUCKETS: Final = 256
TRIED_BUCKETS: Final = 64
NEW_BUCKETS_OF_A_SOURCE: Final = 16
TRIED_BUCKETS_OF_A_GROUP: Final = 4
SECRET_BYTES: Final = 32

STALE_MIN: Final = 30 * 24 * 60
"""Not seen for so long: gives way."""
FAILURES_AT_FIRST: Final = 3
"""An address that was never reached gives way after so many dials."""
FAILURES_LATER: Final = 10
"""So does one that was reached, more than a week ago."""
WEEK_MIN: Final = 7 * 24 * 60

TAG_NEW: Final = make_tag("esper/p2p/book/new/v1")
TAG_TRIED: Final = make_tag("esper/p2p/book/tried/v1")
TAG_SPREAD: Final = make_tag("esper/p2p/book/spread/v1")
TAG_SLOT: Final = make_tag("esper/p2p/book/slot/v1")

Place = tuple[int, int]
"""Bucket and slot."""


@dataclass(slots=True)
class Entry:
    """What the book knows of an address."""

    address: PeerAddress
    """Where and who."""
    group: bytes
    """Its netgroup."""
    source: bytes
    """Netgroup of who told of it first."""
    services: int
    """Bits, as it was told."""
    seen_min: int
    """When somebody was connected to it, as it was told: minutes since 1970."""
    failures: int = 0
    """Dials in a row that failed."""
    rests_until_ms: int = 0
    """Not dialled before, steady clock."""
    succeeded_min: int = 0
    """When it was last reached from here, minutes since 1970; 0: never."""
    tried: bool = False
    """In which table it is."""
    place: Place = (0, 0)
    """Bucket and slot there."""
    reach: Reach = field(init=False)
    """From where it can be reached."""

    def __post_init__(self) -> None:
        self.reach = reach_of(self.address.ip)

    def gives_way(self, now_min: int) -> bool:
        """Whether it is so stale that another may have its slot in *new*."""
        if self.seen_min + STALE_MIN < now_min:
            return True
        if self.succeeded_min == 0:
            return self.failures >= FAILURES_AT_FIRST
        return self.failures >= FAILURES_LATER and self.succeeded_min + WEEK_MIN < now_min


class Places:
    """Where an address stands, by a secret of 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"the secret has {len(secret)} bytes, must have {SECRET_BYTES}")
        self._secret = secret

    def in_new(self, entry: Entry) -> Place:
        """Its place in *new*: one of 16 buckets of its source, by its group."""
        spread = self._below(NEW_BUCKETS_OF_A_SOURCE, TAG_SPREAD, entry.group, entry.source)
        bucket = self._below(NEW_BUCKETS, TAG_NEW, entry.source, u16(spread))
        return bucket, self._slot(b"n", bucket, entry)

    def in_tried(self, entry: Entry) -> Place:
        """Its place in *tried*: one of 4 buckets of its group, by the address."""
        spread = self._below(TRIED_BUCKETS_OF_A_GROUP, TAG_SPREAD, entry.address.endpoint)
        bucket = self._below(TRIED_BUCKETS, TAG_TRIED, entry.group, u16(spread))
        return bucket, self._slot(b"t", bucket, entry)

    def _slot(self, table: bytes, bucket: int, entry: Entry) -> int:
        return self._below(SLOTS, TAG_SLOT, table, u16(bucket), entry.address.endpoint)

    def _below(self, bound: int, tag: Tag, *parts: bytes) -> int:
        # Groups are of several lengths: each part says its own. The bounds are powers of two.
        framed = (part for one in parts for part in (u16(len(one)), one))
        return int.from_bytes(tagged_hash32(tag, self._secret, *framed)[:4], "big") % bound


class AddressTable:
    """Buckets of 32 slots, each empty or with one entry."""

    def __init__(self, buckets: int) -> None:
        self._slots: list[dict[int, Entry]] = [{} for _ in range(buckets)]
        self._filled: list[int] = []
        """Buckets with at least one entry, in any order."""
        self._index: dict[int, int] = {}
        """Where each of them stands in ``_filled``."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        for bucket in self._slots:
            yield from bucket.values()

    @property
    def filled(self) -> int:
        """Buckets with at least one entry."""
        return len(self._filled)

    def at(self, place: Place) -> Entry | None:
        """Who holds a place."""
        bucket, slot = place
        return self._slots[bucket].get(slot)

    def put(self, entry: Entry, place: Place) -> None:
        """Give an entry a free place. Raises ValueError if it is taken."""
        bucket, slot = place
        if slot in self._slots[bucket]:
            raise ValueError(f"slot {slot} of bucket {bucket} is taken")
        if not self._slots[bucket]:
            self._index[bucket] = len(self._filled)
            self._filled.append(bucket)
        self._slots[bucket][slot] = entry
        entry.place = place
        self._count += 1

    def remove(self, entry: Entry) -> None:
        """Take an entry out of its place. Raises KeyError if it does not stand there."""
        bucket, slot = entry.place
        if self._slots[bucket].get(slot) is not entry:
            raise KeyError(entry.place)
        del self._slots[bucket][slot]
        self._count -= 1
        if not self._slots[bucket]:
            index = self._index.pop(bucket)
            last = self._filled.pop()
            if last != bucket:
                self._filled[index] = last
                self._index[last] = index

    def choose(self, random: Random, is_wanted: Callable[[Entry], bool]) -> Entry | None:
        """A wanted entry of a random bucket, None if no entry is wanted.

        Where a bucket has none, the next is looked at: the whole table at most.
        """
        if not self._filled:
            return None
        start = random.randrange(len(self._filled))
        for step in range(len(self._filled)):
            bucket = self._slots[self._filled[(start + step) % len(self._filled)]]
            wanted = [entry for entry in bucket.values() if is_wanted(entry)]
            if wanted:
                return wanted[random.randrange(len(wanted))]
        return None
