"""What a node keeps of its peers, as ``checked_file`` writes it.

    peers.dat      [1, secret, [entry]]         the address book
    anchors.dat    [1, [address]]               the last blocks-only peers
    bans.dat       [1, rules, [ban]]            who is kept away; of other rules: forgotten

Nothing of it is dear: a book is gathered anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from esper.p2p.peers.bars import MOST_BARS, SUBJECT_BYTES, Bar, Barred
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.book.address_table import (
    NEW_BUCKETS,
    SECRET_BYTES,
    SLOTS,
    TRIED_BUCKETS,
    Entry,
)
from esper.p2p.peers.checked_file import FileKind
from esper.p2p.peers.netgroup import GROUP_BYTES
from esper.p2p.peers.peer_address import ID_PREFIX, PeerAddress
from esper.p2p.peers.places.dial_plan import ANCHORS
from esper.p2p.wire.fields import IP, PEER_ID
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes
from esper.primitives.hashing import make_tag

PEERS_FILE: Final = "peers.dat"
ANCHORS_FILE: Final = "anchors.dat"
BANS_FILE: Final = "bans.dat"
BAN_RULES: Final = 1
"""Number of the rules that bans rest on. A release that bans for other reasons has another, so
that it does not keep away whom the old rules wronged."""

MOST_ENTRIES: Final = (NEW_BUCKETS + TRIED_BUCKETS) * SLOTS


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """An entry of the address book, on disk."""

    ip: bytes
    port: int
    peer_id: bytes
    source: bytes
    services: int
    seen_min: int
    succeeded_min: int
    failures: int
    tried: int

    def __post_init__(self) -> None:
        _check_address(self.port, self.peer_id)


@dataclass(frozen=True, slots=True)
class KeptBook:
    """The address book, on disk."""

    secret: bytes
    entries: tuple[KeptEntry, ...]


@dataclass(frozen=True, slots=True)
class KeptAnchor:
    """An anchor, on disk."""

    ip: bytes
    port: int
    peer_id: bytes

    def __post_init__(self) -> None:
        _check_address(self.port, self.peer_id)


@dataclass(frozen=True, slots=True)
class KeptAnchors:
    """The anchors, on disk."""

    anchors: tuple[KeptAnchor, ...]


@dataclass(frozen=True, slots=True)
class KeptBan:
    """A ban, on disk; times of day in ms."""

    subject: bytes
    bar: int
    began_ms: int
    until_ms: int
    repeats: int

    def __post_init__(self) -> None:
        if self.bar not in (Bar.BAN, Bar.BY_HAND):
            raise ValueError(f"bar is {self.bar}, must be {Bar.BAN:d} or {Bar.BY_HAND:d}")
        if self.until_ms < self.began_ms:
            raise ValueError("the ban ends before it begins")


@dataclass(frozen=True, slots=True)
class KeptBans:
    """All bans, on disk."""

    rules: int
    bans: tuple[KeptBan, ...]


def _check_address(port: int, peer_id: bytes) -> None:
    if port == 0:
        raise ValueError("port must not be 0")
    if not peer_id.startswith(ID_PREFIX):
        raise ValueError("peer_id is of another kind of key than Ed25519")


_ADDRESS: Final = (("ip", IP), ("port", Unsigned(16)), ("peer_id", PEER_ID))
_ENTRY: Final = Record(
    KeptEntry,
    None,
    (
        *_ADDRESS,
        ("source", VarBytes(GROUP_BYTES)),
        ("services", Unsigned(32)),
        ("seen_min", Unsigned(32)),
        ("succeeded_min", Unsigned(32)),
        ("failures", Unsigned(8)),
        ("tried", Unsigned(1)),
    ),
)
_BAN: Final = Record(
    KeptBan,
    None,
    (
        ("subject", VarBytes(SUBJECT_BYTES)),
        ("bar", Unsigned(8)),
        ("began_ms", Unsigned(63)),
        ("until_ms", Unsigned(63)),
        ("repeats", Unsigned(8)),
    ),
)


BOOK: Final = FileKind(
    Record(
        KeptBook,
        1,
        (("secret", FixedBytes(SECRET_BYTES)), ("entries", Array(_ENTRY, MOST_ENTRIES))),
    ),
    # 122 bytes an entry at most.
    limit=128 * MOST_ENTRIES,
    tag=make_tag("esper/p2p/peers.dat/v1"),
)
ANCHOR_LIST: Final = FileKind(
    Record(KeptAnchors, 1, (("anchors", Array(Record(KeptAnchor, None, _ADDRESS), ANCHORS)),)),
    limit=256,
    tag=make_tag("esper/p2p/anchors.dat/v1"),
)
BANS: Final = FileKind(
    Record(KeptBans, 1, (("rules", Unsigned(32)), ("bans", Array(_BAN, MOST_BARS)))),
    # 65 bytes a ban at most.
    limit=72 * MOST_BARS,
    tag=make_tag("esper/p2p/bans.dat/v1"),
)


def kept_book(book: AddressBook) -> KeptBook:
    """The address book for the disk."""
    return KeptBook(
        book.secret,
        tuple(
            KeptEntry(
                one.address.ip,
                one.address.port,
                one.address.peer_id,
                one.source,
                one.services,
                one.seen_min,
                one.succeeded_min,
                one.failures,
                int(one.tried),
            )
            for one in book.entries()
        ),
    )


def book_entries(kept: KeptBook) -> Iterable[Entry]:
    """Entries for ``AddressBook.restore``; their netgroups are found there."""
    for one in kept.entries:
        yield Entry(
            PeerAddress(one.ip, one.port, one.peer_id),
            b"",
            one.source,
            one.services,
            one.seen_min,
            failures=one.failures,
            succeeded_min=one.succeeded_min,
            tried=bool(one.tried),
        )


def kept_anchors(anchors: Iterable[PeerAddress]) -> KeptAnchors:
    """Anchors for the disk."""
    return KeptAnchors(tuple(KeptAnchor(one.ip, one.port, one.peer_id) for one in anchors))


def anchor_addresses(kept: KeptAnchors) -> tuple[PeerAddress, ...]:
    """Anchors from the disk."""
    return tuple(PeerAddress(one.ip, one.port, one.peer_id) for one in kept.anchors)


def kept_bans(bans: Iterable[Barred], rules: int = BAN_RULES) -> KeptBans:
    """Bans for the disk, with times of day."""
    return KeptBans(
        rules,
        tuple(
            KeptBan(one.subject, one.bar, one.began_ms, one.until_ms, one.repeats) for one in bans
        ),
    )


def ban_list(kept: KeptBans, rules: int = BAN_RULES) -> tuple[Barred, ...]:
    """Bans from the disk; none if they rest on the rules of another release."""
    if kept.rules != rules:
        return ()
    return tuple(
        Barred(one.subject, Bar(one.bar), one.began_ms, one.until_ms, one.repeats)
        for one in kept.bans
    )
