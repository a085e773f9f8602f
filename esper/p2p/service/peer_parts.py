"""The machines about peers, from settings and what the node knew when it ended."""

from esper.p2p.peers.address_files import book_entries
from esper.p2p.peers.book.address_answers import AddressAnswers
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.book.address_gossip import AddressGossip
from esper.p2p.peers.book.own_addresses import OwnAddresses
from esper.p2p.peers.penalties import Penalties
from esper.p2p.peers.places.dial_plan import DialPlan
from esper.p2p.peers.places.outbound_care import OutboundCare
from esper.p2p.peers.places.slots import Slots
from esper.p2p.service.peer_files import KnownPeers
from esper.p2p.service.peer_machines import MINUTE_MS, PeerParts
from esper.p2p.service.settings import NetworkSettings


def make_peer_parts(
    settings: NetworkSettings,
    known: KnownPeers,
    node_id: bytes,
    port: int,
    now_ms: int,
    wall_ms: int,
) -> PeerParts:
    """All of them; ``port`` is where the node listens, 0 if it does not.

    Raises TooManyStaticError.
    """
    localities = settings.localities
    minute = wall_ms // MINUTE_MS
    static_ids = [one.peer_id for one in settings.static]
    book = AddressBook(known.book.secret, localities)
    book.restore(book_entries(known.book), minute)
    if book.wants_seeds:
        for seed in settings.seeds:
            book.add_given(seed, minute)
    slots = Slots(node_id, known.book.secret, localities, static_ids, settings.inbound)
    penalties = Penalties(localities, static_ids)
    penalties.restore(known.bans, now_ms, wall_ms)
    plan = DialPlan(
        book,
        slots,
        localities,
        static=settings.static,
        connect_only=settings.connect_only,
        anchors=known.anchors,
        now_ms=now_ms,
    )
    return PeerParts(
        book=book,
        slots=slots,
        plan=plan,
        penalties=penalties,
        own=OwnAddresses(localities, port, settings.external),
        gossip=AddressGossip(book, localities),
        answers=AddressAnswers(book, localities),
        care=OutboundCare(),
        localities=localities,
    )
