from collections.abc import Iterator
from itertools import count

import pytest

from esper.p2p.peers.book.address_book import (
    ENOUGH_TRIED,
    MOST_TESTS,
    TOLD_AGE_MIN,
    AddressBook,
)
from esper.p2p.peers.book.address_table import (
    FAILURES_AT_FIRST,
    FAILURES_LATER,
    STALE_MIN,
    WEEK_MIN,
    Entry,
    Places,
)
from esper.p2p.peers.peer_address import PeerAddress
from tests.support.net.peer_world import (
    DEVNET,
    MINUTE,
    NOW,
    PUBLIC,
    SECRET,
    Fixed,
    address,
    at,
    ip,
    known,
    peer_id,
    seeded,
)

SOURCE = ip("9.9.9.9")
FAR = NOW + 24 * 3_600_000


def book() -> AddressBook:
    return AddressBook(SECRET, PUBLIC)


def add(into: AddressBook, where: PeerAddress, seen_min: int = MINUTE) -> bool:
    return into.add(known(where, seen_min), SOURCE, 1, MINUTE)


def entry(of: AddressBook, where: PeerAddress) -> Entry:
    found = of.find(where.endpoint)
    assert found is not None
    return found


def placed(where: PeerAddress, *, tried: bool) -> tuple[int, int]:
    one = Entry(where, PUBLIC.group(where.ip, where.port), PUBLIC.group(SOURCE, 1), 1, MINUTE)
    return Places(SECRET).in_tried(one) if tried else Places(SECRET).in_new(one)


def rivals(of: PeerAddress, *, tried: bool) -> Iterator[PeerAddress]:
    """Others with the same place."""
    for group in count(1):
        for host in range(1, 200):
            other = address(group, host)
            if other != of and placed(other, tried=tried) == placed(of, tried=tried):
                yield other


def test_a_told_address_is_new_and_once_there() -> None:
    told = book()
    assert add(told, address(1))
    assert not add(told, address(1))
    assert (told.statistics().new, told.statistics().tried, len(told)) == (1, 0, 1)
    assert entry(told, address(1)).seen_min == MINUTE - TOLD_AGE_MIN


def test_who_tells_of_the_future_is_not_believed() -> None:
    told = book()
    add(told, address(1), MINUTE + 10**6)
    assert entry(told, address(1)).seen_min == MINUTE - TOLD_AGE_MIN
    add(told, address(2), 3)
    assert entry(told, address(2)).seen_min == 0


def test_time_and_services_are_renewed_for_the_same_id_alone() -> None:
    told = book()
    add(told, address(1), MINUTE - 500)
    told.add(known(address(1), MINUTE - 300, services=7), SOURCE, 1, MINUTE)
    assert entry(told, address(1)).services == 7
    assert entry(told, address(1)).seen_min == MINUTE - 300 - TOLD_AGE_MIN
    told.add(known(address(1), MINUTE - 400, services=8), SOURCE, 1, MINUTE)
    assert entry(told, address(1)).services == 7
    stolen = PeerAddress(address(1).ip, address(1).port, peer_id(9))
    told.add(known(stolen, MINUTE, services=9), SOURCE, 1, MINUTE)
    assert entry(told, address(1)).services == 7
    assert entry(told, address(1)).address == address(1)


@pytest.mark.parametrize(
    ("where", "source", "on_mainnet", "on_devnet"),
    [
        ("8.8.8.8", "9.9.9.9", True, True),
        ("127.0.0.1", "9.9.9.9", False, False),
        ("127.0.0.1", "127.0.0.1", False, True),
        ("127.0.0.1", "10.0.0.1", False, False),
        ("10.0.0.1", "10.0.0.2", False, True),
        ("10.0.0.1", "9.9.9.9", False, False),
        ("224.0.0.1", "127.0.0.1", False, False),
    ],
)
def test_where_local_addresses_are_kept(
    where: str, source: str, on_mainnet: bool, on_devnet: bool
) -> None:
    for localities, kept in ((PUBLIC, on_mainnet), (DEVNET, on_devnet)):
        told = AddressBook(SECRET, localities)
        assert told.add(known(at(where)), ip(source), 1, MINUTE) is kept
        assert len(told) == kept


def test_given_addresses_need_no_source() -> None:
    told = AddressBook(SECRET, DEVNET)
    assert told.add_given(at("127.0.0.1"), MINUTE)
    assert told.add_given(at("8.8.8.8"), MINUTE)
    assert not book().add_given(at("127.0.0.1"), MINUTE)


def test_other_kinds_of_keys_are_not_kept() -> None:
    where = PeerAddress(ip("8.8.8.8"), 1, b"\1" * 38)
    assert not add(book(), where)


def test_a_taken_slot_of_new_stays_unless_its_holder_is_stale() -> None:
    told = book()
    holder, rival, later = (
        address(1),
        *(one for one, _ in zip(rivals(address(1), tried=False), range(2), strict=False)),
    )
    add(told, holder)
    assert not add(told, rival)
    assert told.find(rival.endpoint) is None
    for _ in range(FAILURES_AT_FIRST - 1):
        told.dialling(holder.endpoint, NOW, seeded())
    assert not add(told, rival)
    told.dialling(holder.endpoint, NOW, seeded())
    assert add(told, rival)
    assert told.find(holder.endpoint) is None
    entry(told, rival).seen_min = MINUTE - STALE_MIN
    assert not add(told, later)
    entry(told, rival).seen_min -= 1
    assert add(told, later)
    assert told.statistics().new == 1


def test_one_that_was_reached_gives_way_later() -> None:
    told = book()
    holder, rival = address(1), next(rivals(address(1), tried=False))
    add(told, holder)
    entry(told, holder).succeeded_min = MINUTE - WEEK_MIN - 1
    for _ in range(FAILURES_LATER - 1):
        told.dialling(holder.endpoint, NOW, seeded())
    assert not add(told, rival)
    told.dialling(holder.endpoint, NOW, seeded())
    entry(told, holder).succeeded_min = MINUTE - WEEK_MIN
    assert not add(told, rival)
    entry(told, holder).succeeded_min -= 1
    assert add(told, rival)


def test_what_was_reached_is_tried() -> None:
    told = book()
    add(told, address(1))
    told.dialling(address(1).endpoint, NOW, seeded())
    told.reached(address(1), 5, MINUTE + 1)
    one = entry(told, address(1))
    assert (told.statistics().new, told.statistics().tried) == (0, 1)
    assert (one.failures, one.rests_until_ms, one.services) == (0, 0, 5)
    assert one.seen_min == one.succeeded_min == MINUTE + 1


def test_nothing_is_made_of_others_that_were_reached() -> None:
    told = book()
    told.reached(address(1), 1, MINUTE)
    assert len(told) == 0
    add(told, address(1))
    told.reached(PeerAddress(address(1).ip, address(1).port, peer_id(9)), 1, MINUTE)
    assert told.statistics().tried == 0


def two_for_a_slot(told: AddressBook) -> tuple[PeerAddress, PeerAddress]:
    holder, newcomer = address(1), next(rivals(address(1), tried=True))
    for one in (holder, newcomer):
        assert add(told, one)
        told.reached(one, 1, MINUTE)
    assert entry(told, holder).tried
    assert not entry(told, newcomer).tried
    return holder, newcomer


def test_the_holder_of_a_slot_is_tested_first_and_stays_if_it_answers() -> None:
    told = book()
    holder, newcomer = two_for_a_slot(told)
    assert told.statistics().tests == 1
    assert told.feeler(NOW, seeded()) == holder
    told.dialling(holder.endpoint, NOW, seeded())
    told.reached(holder, 1, MINUTE)
    assert entry(told, holder).tried
    assert not entry(told, newcomer).tried
    assert told.statistics().tests == 0
    assert told.feeler(NOW, seeded()) == newcomer


def test_a_holder_that_does_not_answer_gives_way() -> None:
    told = book()
    holder, newcomer = two_for_a_slot(told)
    told.dialling(holder.endpoint, NOW, seeded())
    told.failed(holder.endpoint, MINUTE)
    assert entry(told, newcomer).tried
    assert not entry(told, holder).tried
    assert (told.statistics().new, told.statistics().tried, told.statistics().tests) == (1, 1, 0)


def test_a_failure_without_a_test_moves_nobody() -> None:
    told = book()
    add(told, address(1))
    told.reached(address(1), 1, MINUTE)
    told.failed(address(1).endpoint, MINUTE)
    assert entry(told, address(1)).tried


def test_a_holder_that_is_connected_has_passed() -> None:
    told = book()
    holder, newcomer = two_for_a_slot(told)
    assert told.feeler(NOW, seeded(), ids={holder.peer_id}) == newcomer
    assert told.statistics().tests == 0


def test_a_resting_holder_waits_for_its_test() -> None:
    told = book()
    holder, newcomer = two_for_a_slot(told)
    told.dialling(holder.endpoint, NOW, seeded())
    assert told.feeler(NOW, seeded()) == newcomer
    assert told.feeler(FAR, seeded()) == holder


@pytest.mark.parametrize("gone", ["newcomer", "holder"])
def test_a_test_outlives_who_is_forgotten(gone: str) -> None:
    told = book()
    holder, newcomer = two_for_a_slot(told)
    told.remove((newcomer if gone == "newcomer" else holder).endpoint)
    told.feeler(NOW, seeded())
    told.failed(holder.endpoint, MINUTE)
    assert len(told) == 1
    assert told.statistics().tried == (gone == "newcomer")


def test_only_so_many_wait_for_a_test() -> None:
    told = book()
    for group in range(900):
        add(told, address(group))
        told.reached(address(group), 1, MINUTE)
    waiting = told.statistics().new
    assert waiting > MOST_TESTS
    assert told.statistics().tests == MOST_TESTS


def test_another_id_than_expected_is_met() -> None:
    told = book()
    add(told, address(1))
    told.reached(address(1), 1, MINUTE)
    told.met_another(address(1), peer_id(42), MINUTE)
    one = entry(told, address(1))
    assert not one.tried
    assert (one.address.peer_id, one.services, one.succeeded_min) == (peer_id(42), 0, 0)
    # The news of an old dial changes nothing.
    told.met_another(address(1), peer_id(43), MINUTE)
    assert one.address.peer_id == peer_id(42)
    told.met_another(address(2), peer_id(43), MINUTE)
    assert len(told) == 1


def test_another_id_that_did_not_show_is_met() -> None:
    told = book()
    add(told, address(1))
    told.reached(address(1), 1, MINUTE)
    told.met_another(address(1), None, MINUTE)
    one = entry(told, address(1))
    assert not one.tried
    assert one.address == address(1)


def test_tried_and_new_are_chosen_as_often() -> None:
    told = book()
    for group in range(1, 40):
        add(told, address(group))
    reached = [one.address for one in list(told.entries())[:2]]
    for one in reached:
        told.reached(one, 1, MINUTE)
    random = seeded()
    tried = sum(told.choose(NOW, random) in reached for _ in range(400))
    assert 150 < tried < 250
    assert all(told.choose(NOW, random, new_only=True) not in reached for _ in range(50))


def test_some_are_not_chosen() -> None:
    told = book()
    assert told.choose(NOW, seeded()) is None
    add(told, address(1))
    assert told.choose(NOW, seeded()) == address(1)
    group = PUBLIC.group(address(1).ip, address(1).port)
    assert told.choose(NOW, seeded(), groups={group}) is None
    assert told.choose(NOW, seeded(), ids={address(1).peer_id}) is None
    assert told.choose(NOW, seeded(), is_barred=lambda peer: peer == address(1).peer_id) is None
    # If one table has nothing that is wanted, the other is asked.
    told.reached(address(1), 1, MINUTE)
    assert all(told.choose(NOW, seeded(seed)) == address(1) for seed in range(10))


def test_an_address_rests_after_each_failure() -> None:
    told = book()
    add(told, address(1))
    told.dialling(address(1).endpoint, NOW, Fixed(greatest=False))
    assert told.choose(NOW + 4_999, seeded()) is None
    assert told.choose(NOW + 5_000, seeded()) == address(1)
    told.dialling(address(1).endpoint, NOW, Fixed(greatest=True))
    assert told.choose(NOW + 29_999, seeded()) is None
    assert told.choose(NOW + 30_000, seeded()) == address(1)
    told.dialling(address(2).endpoint, NOW, seeded())
    assert len(told) == 1


def test_seeds_are_wanted_until_enough_were_reached() -> None:
    told = book()
    for group in range(1, 60):
        if told.statistics().tried == ENOUGH_TRIED:
            break
        assert told.wants_seeds
        add(told, address(group))
        told.reached(address(group), 1, MINUTE)
    assert not told.wants_seeds


def test_who_is_connected_was_seen() -> None:
    told = book()
    add(told, address(1))
    told.seen(address(1).endpoint, MINUTE + 5)
    told.seen(address(1).endpoint, MINUTE + 2)
    told.seen(address(2).endpoint, MINUTE)
    assert entry(told, address(1)).seen_min == MINUTE + 5


def test_what_is_restored_stands_where_it_stood() -> None:
    told = book()
    for group in range(1, 300):
        add(told, address(group))
        if group % 3 == 0:
            told.reached(address(group), 1, MINUTE)
    places = {one.address: (one.tried, one.place, one.group) for one in told.entries()}
    again = book()
    assert again.restore(list(told.entries()), MINUTE) == len(places)
    assert {one.address: (one.tried, one.place, one.group) for one in again.entries()} == places
    assert again.restore(list(told.entries()), MINUTE) == 0


def test_what_a_network_does_not_keep_is_not_restored() -> None:
    local = AddressBook(SECRET, DEVNET)
    local.add_given(at("127.0.0.1"), MINUTE)
    assert book().restore(list(local.entries()), MINUTE) == 0
