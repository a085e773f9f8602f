"""What strangers can do to the address book, to our places, and to who is kept away."""

import time
from collections import Counter

import pytest

from esper.p2p.faults import Offence
from esper.p2p.limits import INBOUND
from esper.p2p.peers.bars import MOST_BARS
from esper.p2p.peers.book import address_table
from esper.p2p.peers.book.address_answers import AddressAnswers
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.book.address_gossip import UNASKED, AddressGossip, Gossiper
from esper.p2p.peers.book.address_table import (
    NEW_BUCKETS_OF_A_SOURCE,
    SLOTS,
    TRIED_BUCKETS_OF_A_GROUP,
)
from esper.p2p.peers.netgroup import Localities
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.penalties import Consequence, Offender, Penalties
from esper.p2p.peers.places.connections import Close, Kind, Settled
from esper.p2p.peers.places.slots import INBOUND_NEAR, INBOUND_WIDE, Slots
from esper.primitives.hashing import Tag, tagged_hash32
from tests.support.net.peer_world import (
    MINUTE,
    NOW,
    PUBLIC,
    SECRET,
    address,
    ip,
    known,
    number,
    peer_id,
    public_ip,
    seeded,
)

OWN = peer_id(1 << 200)
HOSTILE_SOURCE = ip("66.6.6.6")
HOSTILE_GROUPS = 2_000
"""Netgroups from here on are the attacker's."""


def honest_book(nodes: int = 200) -> AddressBook:
    """Nodes of as many groups, told by twenty, a tenth of them reached."""
    book = AddressBook(SECRET, PUBLIC)
    for group in range(nodes):
        book.add(known(address(group)), public_ip(1_000 + group % 20), 1, MINUTE)
        if group % 10 == 0:
            book.reached(address(group), 1, MINUTE)
    return book


def is_hostile(where: PeerAddress) -> bool:
    return where.ip >= public_ip(HOSTILE_GROUPS, 0)


def spam(book: AddressBook, count: int, source: bytes = HOSTILE_SOURCE, hosts: int = 10) -> None:
    for value in range(count):
        where = address(HOSTILE_GROUPS + value // hosts, 1 + value % hosts)
        book.add(known(where), source, 1, MINUTE)


def test_spam_of_one_source_fills_its_buckets_alone() -> None:
    book = honest_book()
    before = {one.address for one in book.entries()}
    spam(book, 10_000)
    hostile = [one for one in book.entries() if is_hostile(one.address)]
    assert 100 < len(hostile) <= NEW_BUCKETS_OF_A_SOURCE * SLOTS
    assert len({one.place[0] for one in hostile}) <= NEW_BUCKETS_OF_A_SOURCE
    # Nobody who was there lost a place, and half of all dials go to *tried*.
    assert before <= {one.address for one in book.entries()}
    random = seeded()
    chosen = Counter(
        is_hostile(found) for _ in range(500) if (found := book.choose(NOW, random)) is not None
    )
    assert chosen[True] < 100


def test_many_sources_of_one_group_are_one_source() -> None:
    book = honest_book()
    for host in range(20):
        spam(book, 500, ip(f"66.6.{host}.{host}"), hosts=1 + host)
    hostile = [one for one in book.entries() if is_hostile(one.address)]
    assert len(hostile) <= NEW_BUCKETS_OF_A_SOURCE * SLOTS


def test_many_nodes_of_one_group_hold_four_buckets_of_tried() -> None:
    book = honest_book()
    tried = {one.address for one in book.entries() if one.tried}
    for host in range(1, 3_000):
        where = address(HOSTILE_GROUPS, host)
        book.add(known(where), public_ip(HOSTILE_GROUPS + host), 1, MINUTE)
        book.reached(where, 1, MINUTE)
    hostile = [one for one in book.entries() if one.tried and is_hostile(one.address)]
    assert 60 < len(hostile) <= TRIED_BUCKETS_OF_A_GROUP * SLOTS
    assert tried <= {one.address for one in book.entries() if one.tried}


def test_nodes_that_answer_are_not_pushed_out_of_tried_and_dead_ones_are() -> None:
    book = honest_book()
    tried = {one.address for one in book.entries() if one.tried}
    dead = set(sorted(tried, key=str)[:5])
    random = seeded()
    now_ms = NOW
    for value in range(3_000):
        where = address(HOSTILE_GROUPS + value)
        book.add(known(where), public_ip(HOSTILE_GROUPS + value), 1, MINUTE)
        book.reached(where, 1, MINUTE)
        now_ms += 120_000
        tested = book.feeler(now_ms, random)
        assert tested is not None
        book.dialling(tested.endpoint, now_ms, random)
        if tested in dead:
            book.failed(tested.endpoint, MINUTE)
        else:
            book.reached(tested, 1, MINUTE)
    left = {one.address for one in book.entries() if one.tried}
    assert tried - dead <= left
    assert not dead & left


def test_a_false_id_for_an_honest_address_costs_one_dial() -> None:
    book = AddressBook(SECRET, PUBLIC)
    honest = address(1)
    false = PeerAddress(honest.ip, honest.port, peer_id(666))
    book.add(known(false), HOSTILE_SOURCE, 1, MINUTE)
    book.add(known(honest), public_ip(5), 1, MINUTE)
    chosen = book.choose(NOW, seeded())
    assert chosen == false
    book.dialling(chosen.endpoint, NOW, seeded())
    book.met_another(chosen, honest.peer_id, MINUTE)
    assert book.choose(NOW + 60_000, seeded()) == honest
    # Nor can an id be taken from an address that was reached.
    book.reached(honest, 1, MINUTE)
    book.add(known(false), HOSTILE_SOURCE, 1, MINUTE)
    assert book.choose(NOW + 60_000, seeded()) == honest


def hashes(count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Hashes that so many addresses cost."""
    made = 0

    def counted(tag: Tag, *parts: bytes) -> bytes:
        nonlocal made
        made += 1
        return tagged_hash32(tag, *parts)

    with monkeypatch.context() as patched:
        patched.setattr(address_table, "tagged_hash32", counted)
        spam(AddressBook(SECRET, PUBLIC), count)
    return made


def test_ten_thousand_addresses_cost_three_hashes_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hashes(10_000, monkeypatch) <= 3 * 10_000


@pytest.mark.serial
def test_addresses_cost_linear_time() -> None:
    def spent(count: int) -> float:
        book = AddressBook(SECRET, PUBLIC)
        began = time.process_time()
        spam(book, count)
        return time.process_time() - began

    small, large = min(spent(1_250) for _ in range(3)), min(spent(10_000) for _ in range(2))
    # Eight times as many: not sixty-four times as long.
    assert large < 24 * small
    assert large < 5


def test_asking_again_and_again_reveals_one_answer() -> None:
    answers = AddressAnswers(honest_book(), PUBLIC)
    random = seeded()
    seen = {
        one.peer_id
        for host in range(250)
        for one in answers.answer(ip(f"66.6.{host}.1"), host, NOW + host, MINUTE, random)
    }
    once = answers.answer(HOSTILE_SOURCE, 1, NOW, MINUTE, random)
    assert len(seen) == len(once) < 60


def test_unasked_addresses_spread_no_flood() -> None:
    book = honest_book()
    gossip = AddressGossip(book, PUBLIC)
    others = [Gossiper(number(value), public_ip(value), 1) for value in range(2, 44)]
    teller = Gossiper(number(1), HOSTILE_SOURCE, 1)
    sent = 0
    for minute in range(10):
        told = [known(address(HOSTILE_GROUPS + minute * 200 + value)) for value in range(200)]
        sent += len(gossip.heard(teller, told, others, NOW + minute * 59_000, MINUTE))
    assert sent == 2 * UNASKED
    assert sum(is_hostile(one.address) for one in book.entries()) <= UNASKED


# Places.


def settled(slots: Slots, value: int, where: PeerAddress, now_ms: int) -> list[int]:
    """Let one in that dialled us; who is closed for it."""
    if not slots.enter(number(value), where.ip):
        return []
    closed = []
    for action in slots.hello(number(value), Kind.INBOUND, where, now_ms, now_ms):
        if isinstance(action, Close):
            slots.left(action.number)
            closed.append(action.number)
    return list(closed)


def test_eviction_cannot_be_gamed_against_who_works_for_us() -> None:
    """Half of the places are honest, then 2,000 newcomers of as many groups come, all near."""
    slots = Slots(OWN, SECRET, PUBLIC)
    for value in range(INBOUND):
        settled(slots, value, address(value), NOW + value)
        slots.pinged(number(value), 80)
    blocks, transactions, near = {20, 21, 22, 23}, {24, 25, 26, 27}, {28, 29}
    for value in near:
        slots.pinged(number(value), 1)
    gone: set[int] = set()
    for value in range(2_000):
        now_ms = NOW + 1_000 * value
        for one in blocks:
            slots.first_with_block(number(one), now_ms)
        for one in transactions:
            slots.first_with_transaction(number(one), now_ms)
        gone.update(settled(slots, 100 + value, address(HOSTILE_GROUPS + value), now_ms))
        slots.pinged(number(100 + value), 2)
        assert slots.statistics().inbound == INBOUND
    assert not gone & (blocks | transactions | near)
    # Age keeps more: most of those who were here first are still here.
    first = [one for one in slots.connections if one.number < 100]
    assert len(first) >= 20


def test_one_owner_of_a_group_pushes_out_only_himself() -> None:
    slots = Slots(OWN, SECRET, PUBLIC)
    for value in range(INBOUND - INBOUND_WIDE):
        settled(slots, value, address(value), NOW + value)
    for value in range(3_000):
        settled(slots, 100 + value, address(HOSTILE_GROUPS, 1 + value * 7), NOW + 100 + value)
    honest = [one for one in slots.connections if one.number < 100]
    assert len(honest) == INBOUND - INBOUND_WIDE


def test_three_hundred_connections_get_the_places_of_their_blocks() -> None:
    hostile = Localities(own_groups=False, spared=False)
    slots = Slots(OWN, SECRET, hostile)
    entered = Counter(
        text.rpartition(".")[0]
        for value in range(300)
        if slots.enter(number(value), ip(text := f"127.{value % 3}.{value % 30}.{1 + value // 30}"))
    )
    assert sum(entered.values()) == 3 * INBOUND_WIDE
    assert max(entered.values()) <= INBOUND_NEAR
    # Somebody from elsewhere still comes in.
    assert slots.enter(number(999), ip("127.77.0.1"))
    assert slots.hello(number(999), Kind.INBOUND, address(1), NOW, NOW) == [Settled(number(999))]


# Who is kept away.


def test_one_liar_behind_a_translation_costs_the_others_little() -> None:
    penalties = Penalties(PUBLIC)
    shared = ip("8.8.8.8")
    liar = Offender(peer_id(1), shared, b"group", outbound=False)
    assert penalties.offended(liar, Offence.FORGED, NOW) is Consequence.BAN
    # Others there stay connected and may be dialled: only their ids could keep them away.
    assert penalties.id_barred_until(peer_id(2), NOW) is None
    assert penalties.ip_barred_until(shared, NOW + 3_600_000) is None
    assert penalties.ip_barred_until(ip("8.8.8.9"), NOW) is None


def test_an_upgrade_bans_nobody() -> None:
    penalties = Penalties(PUBLIC)
    for hour in range(48):
        for value in range(30):
            peer = Offender(peer_id(value), public_ip(value), b"%d" % value, outbound=True)
            now_ms = NOW + hour * 3_600_000
            assert penalties.offended(peer, Offence.OTHER_RULES, now_ms) is Consequence.DROP
    assert penalties.release_may_be_old(NOW + 47 * 3_600_000)
    assert penalties.statistics().bars.banned == 0


def test_our_own_slow_line_drops_nobody_for_good() -> None:
    penalties = Penalties(PUBLIC)
    peers = [Offender(peer_id(v), public_ip(v), b"%d" % v, True) for v in range(10)]
    for peer in peers:
        penalties.asked(peer.peer_id, peer.group, NOW)
    for step, peer in enumerate(peers * 3):
        penalties.offended(peer, Offence.LATE, NOW + step)
        penalties.offended(peer, Offence.LATE_ANSWER, NOW + step)
    assert penalties.is_own_fault(NOW + 30)
    assert penalties.barred(NOW + 30) == []


def test_ids_without_end_are_bounded_and_free_nobody_who_was_banned() -> None:
    penalties = Penalties(PUBLIC)
    liar = Offender(peer_id(1), ip("8.8.8.8"), b"group", outbound=False)
    penalties.offended(liar, Offence.FORGED, NOW)
    for value in range(2, 20_000):
        other = Offender(peer_id(value), ip("9.9.9.9"), b"group", outbound=False)
        penalties.offended(other, Offence.CODEC, NOW + value)
    bars = penalties.statistics().bars
    assert bars.dropped + bars.banned <= MOST_BARS
    assert penalties.id_barred_until(peer_id(1), NOW + 20_000) is not None
    assert penalties.ip_barred_until(ip("8.8.8.8"), NOW + 20_000) is not None
