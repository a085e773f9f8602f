"""Addresses that come unasked: a node that tells of itself, passed on to two others.

The network page, section 9: of one peer at most 8 in 10 minutes are heard. What is passed on was
seen just now, is new here, and goes to the same two peers for a day whoever brings it, so that an
address spreads without anybody being able to hand it to everybody.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from esper.p2p.peer import PeerNumber
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.netgroup import Localities, may_be_told
from esper.p2p.wire.fields import KnownAddress
from esper.primitives.hashing import make_tag, tagged_hash32, u16, u64

UNASKED: Final = 8
UNASKED_MS: Final = 600_000
PASSED_TO: Final = 2
FRESH_MIN: Final = 10
"""Passed on is what was seen so many minutes ago at most."""
PASSED_AGAIN_MS: Final = 3_600_000
MOST_PASSED: Final = 1_024
"""Endpoints remembered as passed on."""
TAG_PASSED: Final = make_tag("esper/p2p/gossip/v1")
_DAY_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Gossiper:
    """A connected peer, as gossip sees it."""

    number: PeerNumber
    """Of the connection."""
    ip: bytes
    """16 bytes."""
    port: int
    """Of its end of the connection."""


@dataclass(frozen=True, slots=True)
class PassOn:
    """Send an address to a peer, in an addrs message."""

    peer: PeerNumber
    """To whom."""
    address: KnownAddress
    """What."""


@dataclass(frozen=True, slots=True)
class GossipStatistics:
    """Gossip in numbers."""

    peers: int
    """That told unasked addresses and are connected."""
    passed: int
    """Endpoints remembered as passed on."""


@dataclass(slots=True)
class _Heard:
    since_ms: int
    count: int = 0


class AddressGossip:
    """Hears addresses into the book, and says which go on to whom."""

    def __init__(self, book: AddressBook, localities: Localities) -> None:
        self._book = book
        self._localities = localities
        self._heard: dict[PeerNumber, _Heard] = {}
        self._passed: OrderedDict[bytes, int] = OrderedDict()

    def answered(self, teller: Gossiper, addresses: Collection[KnownAddress], now_min: int) -> int:
        """Take in what a peer answered to our get_addrs; how many were new."""
        return sum(
            self._book.add(address, teller.ip, teller.port, now_min) for address in addresses
        )

    def has_told_enough(self, number: PeerNumber, now_ms: int) -> bool:
        """Whether nothing that a peer tells unasked is taken in for now."""
        heard = self._heard.get(number)
        return heard is not None and heard.count >= UNASKED and now_ms - heard.since_ms < UNASKED_MS

    def heard(
        self,
        teller: Gossiper,
        addresses: Collection[KnownAddress],
        others: Collection[Gossiper],
        now_ms: int,
        now_min: int,
    ) -> list[PassOn]:
        """Take in what a peer tells unasked, beyond its share nothing, and what goes on to whom.

        ``others`` are the connected peers that may be told: no blocks-only ones.
        """
        heard = self._heard.get(teller.number)
        if heard is None or now_ms - heard.since_ms >= UNASKED_MS:
            heard = self._heard[teller.number] = _Heard(now_ms)
        passed: list[PassOn] = []
        for address in addresses:
            if heard.count >= UNASKED:
                break
            heard.count += 1
            self._book.add(address, teller.ip, teller.port, now_min)
            if self._goes_on(address, teller, now_ms, now_min):
                passed += (
                    PassOn(peer, address)
                    for peer in self._receivers(address, teller, others, now_ms)
                )
        return passed

    def left(self, peer: PeerNumber) -> None:
        """A peer is gone."""
        self._heard.pop(peer, None)

    def statistics(self) -> GossipStatistics:
        """Counts."""
        return GossipStatistics(len(self._heard), len(self._passed))

    def _goes_on(self, address: KnownAddress, teller: Gossiper, now_ms: int, now_min: int) -> bool:
        fresh = now_min - FRESH_MIN <= address.seen_min <= now_min + FRESH_MIN
        if not fresh or not may_be_told(address.ip, teller.ip):
            return False
        if not self._localities.keeps(address.ip):
            return False
        endpoint = address.ip + u16(address.port)
        before = self._passed.get(endpoint)
        if before is not None and now_ms - before < PASSED_AGAIN_MS:
            return False
        self._passed[endpoint] = now_ms
        self._passed.move_to_end(endpoint)
        if len(self._passed) > MOST_PASSED:
            self._passed.popitem(last=False)
        return True

    def _receivers(
        self, address: KnownAddress, teller: Gossiper, others: Collection[Gossiper], now_ms: int
    ) -> list[PeerNumber]:
        day = u64(now_ms // _DAY_MS)

        def rank(peer: Gossiper) -> bytes:
            return tagged_hash32(
                TAG_PASSED, self._book.secret, day, address.ip, u16(address.port), u64(peer.number)
            )

        told = (
            peer
            for peer in others
            if peer.number != teller.number and may_be_told(address.ip, peer.ip)
        )
        return [peer.number for peer in sorted(told, key=rank)[:PASSED_TO]]
