"""Which connections there are and may be: the network page, sections 3, 5 and 9.

    entered --hello--> settled --> left          inbound: 32, 4 a /24, 8 a /16; outbound: dial_plan
       |                  ^
       +--same id: waits--+   the older is pinged: a pong keeps it, 5 s of silence let the new in

One connection an id. Of two that were dialled in opposite directions within 10 s both ends keep the
dial of the smaller id, so that they keep the same one.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from esper.p2p.limits import INBOUND
from esper.p2p.peer import PeerNumber
from esper.p2p.peers.netgroup import Localities, near_key, wide_key
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.places.connections import (
    Close,
    Connection,
    Kind,
    PingOlder,
    Settled,
    SlotAction,
)
from esper.p2p.peers.places.eviction import Candidate, choose_to_leave
from esper.p2p.wire.talk_messages import BYE_DUPLICATE, BYE_FULL

INBOUND_NEAR: Final = 4
"""Of a /24, or of a /48 of IPv6."""
INBOUND_WIDE: Final = 8
"""Of a /16, or of a /32 of IPv6."""
OPPOSITE_MS: Final = 10_000
"""Dials in opposite directions meet within so much of each other."""
OLDER_PONG_MS: Final = 5_000
MOST_ENTERED: Final = 64
"""Connections whose hello has not come: more than the handshakes that the listener lets run."""


@dataclass(frozen=True, slots=True)
class SlotStatistics:
    """Connections in numbers."""

    inbound: int
    """Settled ones that others dialled."""
    full: int
    """Ours, static ones included."""
    blocks_only: int
    """Ours."""
    feelers: int
    """Ours."""
    entered: int
    """Inbound ones before their hello, or told to close."""
    waiting: int
    """That wait for a ping of an older one of their id."""


@dataclass(slots=True)
class _Waiting:
    connection: Connection
    until_ms: int


class Slots:
    """The connections of a node. Every number that was entered or settled must once leave."""

    def __init__(
        self,
        own_id: bytes,
        secret: bytes,
        localities: Localities,
        static_ids: Collection[bytes] = (),
        inbound: int = INBOUND,
    ) -> None:
        self._own_id = own_id
        self._secret = secret
        self._localities = localities
        self._static_ids = set(static_ids)
        self._most_inbound = inbound
        self._entered: dict[PeerNumber, bytes] = {}
        """Address of each inbound connection, until it leaves."""
        self._near: Counter[bytes] = Counter()
        self._wide: Counter[bytes] = Counter()
        self._settled: dict[PeerNumber, Connection] = {}
        self._by_id: dict[bytes, Connection] = {}
        self._waiting: dict[PeerNumber, _Waiting] = {}
        """By the number of the older connection."""

    @property
    def connections(self) -> Collection[Connection]:
        """The settled ones."""
        return self._settled.values()

    def ids(self) -> frozenset[bytes]:
        """Ids of the settled ones."""
        return frozenset(self._by_id)

    def outbound_groups(self) -> set[bytes]:
        """Netgroups of ours, without those of feelers, which stay for a moment."""
        return {
            one.group
            for one in self._settled.values()
            if one.outbound and one.kind is not Kind.FEELER
        }

    def count(self, *kinds: Kind) -> int:
        """Settled connections of some kinds."""
        return sum(one.kind in kinds for one in self._settled.values())

    def add_static(self, peer_id: bytes) -> None:
        """The operator names a peer: it is not evicted from now on."""
        self._static_ids.add(peer_id)
        if peer_id in self._by_id:
            self._by_id[peer_id].static = True

    def remove_static(self, peer_id: bytes) -> None:
        """The operator names a peer no more."""
        self._static_ids.discard(peer_id)
        if peer_id in self._by_id:
            self._by_id[peer_id].static = False

    def enter(self, number: PeerNumber, ip: bytes) -> bool:
        """Whether an accepted connection may go on to its handshake; if not, it never entered."""
        if len(self._entered) >= self._most_inbound + MOST_ENTERED:
            return False
        if not self._localities.spares(ip):
            near, wide = near_key(ip), wide_key(ip)
            if self._near[near] >= INBOUND_NEAR or self._wide[wide] >= INBOUND_WIDE:
                return False
            self._near[near] += 1
            self._wide[wide] += 1
        self._entered[number] = ip
        return True

    def hello(
        self, number: PeerNumber, kind: Kind, address: PeerAddress, began_ms: int, now_ms: int
    ) -> list[SlotAction]:
        """A connection knows who its other end is: it settles, waits, or is closed."""
        new = Connection(
            number,
            kind,
            address,
            self._localities.group(address.ip, address.port),
            began_ms,
            now_ms,
            address.peer_id in self._static_ids,
        )
        if address.peer_id == self._own_id:
            return [Close(number, BYE_DUPLICATE)]
        old = self._by_id.get(address.peer_id)
        if old is None:
            return self._settle(new)
        if old.number in self._waiting:
            return [Close(number, BYE_DUPLICATE)]
        if old.outbound != new.outbound and abs(old.began_ms - began_ms) <= OPPOSITE_MS:
            ours, theirs = (new, old) if new.outbound else (old, new)
            stays = ours if self._own_id < address.peer_id else theirs
            if stays is old:
                return [Close(number, BYE_DUPLICATE)]
            return [self._close(old, BYE_DUPLICATE), *self._settle(new)]
        self._waiting[old.number] = _Waiting(new, now_ms + OLDER_PONG_MS)
        return [PingOlder(old.number)]

    def answered(self, number: PeerNumber) -> list[SlotAction]:
        """A pong came: a connection that waited for this one's silence goes."""
        waiting = self._waiting.pop(number, None)
        return [] if waiting is None else [Close(waiting.connection.number, BYE_DUPLICATE)]

    def left(self, number: PeerNumber) -> list[SlotAction]:
        """A connection is gone, settled or not."""
        self._forget_entered(number)
        for older, waiting in self._waiting.items():
            if waiting.connection.number == number:
                del self._waiting[older]
                break
        connection = self._settled.pop(number, None)
        if connection is None:
            return []
        del self._by_id[connection.address.peer_id]
        waiting_for_it = self._waiting.pop(number, None)
        return [] if waiting_for_it is None else self._settle(waiting_for_it.connection)

    def due(self) -> int | None:
        """When the first connection that waits has waited long enough."""
        return min((one.until_ms for one in self._waiting.values()), default=None)

    def on_time(self, now_ms: int) -> list[SlotAction]:
        """Let in who waited while the older connection of its id kept silent."""
        actions: list[SlotAction] = []
        for number, waiting in list(self._waiting.items()):
            # One that settles may have another evicted, and who waits for that one with it.
            if waiting.until_ms <= now_ms and number in self._waiting:
                del self._waiting[number]
                actions.append(self._close(self._settled[number], BYE_DUPLICATE))
                actions += self._settle(waiting.connection)
        return actions

    def pinged(self, number: PeerNumber, round_trip_ms: int) -> None:
        """A pong came so long after its ping."""
        connection = self._settled.get(number)
        if connection is not None and (
            connection.ping_ms is None or round_trip_ms < connection.ping_ms
        ):
            connection.ping_ms = round_trip_ms

    def first_with_block(self, number: PeerNumber, now_ms: int) -> None:
        """A peer was the first with a new block that was proven."""
        if number in self._settled:
            self._settled[number].block_ms = now_ms

    def first_with_transaction(self, number: PeerNumber, now_ms: int) -> None:
        """A peer was the first with a transaction that was admitted."""
        if number in self._settled:
            self._settled[number].transaction_ms = now_ms

    def statistics(self) -> SlotStatistics:
        """Counts."""
        return SlotStatistics(
            inbound=self.count(Kind.INBOUND),
            full=self.count(Kind.FULL, Kind.STATIC),
            blocks_only=self.count(Kind.BLOCKS_ONLY),
            feelers=self.count(Kind.FEELER),
            entered=sum(number not in self._settled for number in self._entered),
            waiting=len(self._waiting),
        )

    def _settle(self, new: Connection) -> list[SlotAction]:
        actions: list[SlotAction] = []
        if not new.outbound and self.count(Kind.INBOUND) >= self._most_inbound:
            leaver = choose_to_leave(
                [
                    Candidate(
                        one.number,
                        one.group,
                        one.settled_ms,
                        one.static,
                        one.ping_ms,
                        one.block_ms,
                        one.transaction_ms,
                    )
                    for one in self._settled.values()
                    if not one.outbound
                ],
                self._secret,
            )
            if leaver is None:
                return [Close(new.number, BYE_FULL)]
            evicted = self._settled[leaver]
            actions.append(self._close(evicted, BYE_FULL))
            waiting = self._waiting.pop(leaver, None)
            if waiting is not None:
                # Its own successor would take the place that it has just lost.
                actions.append(Close(waiting.connection.number, BYE_FULL))
        self._settled[new.number] = new
        self._by_id[new.address.peer_id] = new
        return [*actions, Settled(new.number)]

    def _close(self, connection: Connection, code: int) -> Close:
        """Take the slot of a connection that is told to go."""
        del self._settled[connection.number]
        del self._by_id[connection.address.peer_id]
        return Close(connection.number, code)

    def _forget_entered(self, number: PeerNumber) -> None:
        ip = self._entered.pop(number, None)
        if ip is None or self._localities.spares(ip):
            return
        for counter, key in ((self._near, near_key(ip)), (self._wide, wide_key(ip))):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
