"""Addresses of honest nodes under made-up ids: told first, they kept the true ones out for ever."""

from __future__ import annotations

from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.places.dial_plan import DialPlan
from esper.p2p.peers.places.slots import Slots
from tests.support.net.peer_world import (
    MINUTE,
    NOW,
    PUBLIC,
    SECRET,
    address,
    known,
    peer_id,
    public_ip,
    seeded,
)

LIAR, FRIEND = public_ip(900), public_ip(901)


def test_an_honest_address_under_a_made_up_id_is_learned_once_a_dial_met_another() -> None:
    book = AddressBook(SECRET, PUBLIC)
    slots = Slots(peer_id(1), SECRET, PUBLIC)
    plan = DialPlan(book, slots, PUBLIC, now_ms=NOW)
    honest = address(7)
    squatted = known(honest)
    book.add(
        type(squatted)(squatted.ip, squatted.port, peer_id(666), 1, MINUTE), LIAR, 9333, MINUTE
    )
    assert not book.add(known(honest), FRIEND, 9333, MINUTE)
    (dial,) = plan.next_dials(NOW, seeded(), lambda _: False)
    assert dial.address.peer_id == peer_id(666)
    plan.met_another(dial.address, None, MINUTE)
    assert book.add(known(honest), FRIEND, 9333, MINUTE)
    (dial,) = plan.next_dials(NOW + 1_000, seeded(), lambda _: False)
    assert dial.address == honest


def test_one_that_was_reached_survives_one_such_meeting() -> None:
    """A machine may have a new key; somebody on the way may answer in its place."""
    book = AddressBook(SECRET, PUBLIC)
    honest = address(7)
    book.add(known(honest), FRIEND, 9333, MINUTE)
    book.reached(honest, 1, MINUTE)
    book.met_another(honest, None, MINUTE)
    assert book.find(honest.endpoint) is not None
    book.met_another(honest, None, MINUTE)
    assert book.find(honest.endpoint) is None
