from collections import Counter

import pytest

from esper.p2p.peers.book.address_table import (
    NEW_BUCKETS,
    NEW_BUCKETS_OF_A_SOURCE,
    SLOTS,
    TRIED_BUCKETS,
    TRIED_BUCKETS_OF_A_GROUP,
    AddressTable,
    Entry,
    Places,
)
from tests.support.net.peer_world import MINUTE, PUBLIC, SECRET, address, seeded


def entry(group: int, host: int = 1, source: bytes = b"source") -> Entry:
    where = address(group, host)
    return Entry(where, PUBLIC.group(where.ip, where.port), source, 1, MINUTE)


def test_a_source_reaches_16_buckets_and_a_group_4() -> None:
    places = Places(SECRET)
    of_source = {places.in_new(entry(group)) for group in range(600)}
    # Two of its 16 may be the same.
    assert 14 <= len({bucket for bucket, _ in of_source}) <= NEW_BUCKETS_OF_A_SOURCE
    assert all(bucket < NEW_BUCKETS and slot < SLOTS for bucket, slot in of_source)
    # Addresses of one group from one source share a bucket.
    assert len({places.in_new(entry(1, host))[0] for host in range(100)}) == 1
    of_group = {places.in_tried(entry(7, host)) for host in range(600)}
    assert len({bucket for bucket, _ in of_group}) == TRIED_BUCKETS_OF_A_GROUP
    assert all(bucket < TRIED_BUCKETS and slot < SLOTS for bucket, slot in of_group)


def test_sources_and_groups_reach_all_buckets_together() -> None:
    places = Places(SECRET)
    buckets = {
        places.in_new(entry(group, source=b"%d" % source))[0]
        for group in range(60)
        for source in range(120)
    }
    assert len(buckets) == NEW_BUCKETS
    assert len({places.in_tried(entry(group))[0] for group in range(600)}) == TRIED_BUCKETS


def test_places_depend_on_the_secret() -> None:
    one, other = Places(SECRET), Places(bytes(32))
    same = sum(one.in_new(entry(group)) == other.in_new(entry(group)) for group in range(200))
    assert same < 5
    same = sum(one.in_tried(entry(group)) == other.in_tried(entry(group)) for group in range(200))
    assert same < 5
    with pytest.raises(ValueError, match="must have 32"):
        Places(b"short")


def test_a_place_is_taken_once() -> None:
    table = AddressTable(4)
    one, other = entry(1), entry(2)
    table.put(one, (2, 5))
    with pytest.raises(ValueError, match="taken"):
        table.put(other, (2, 5))
    assert table.at((2, 5)) is one
    assert (len(table), table.filled) == (1, 1)
    other.place = (2, 5)
    with pytest.raises(KeyError):
        table.remove(other)
    table.remove(one)
    assert (len(table), table.filled, table.at((2, 5)), list(table)) == (0, 0, None, [])


def test_choosing_goes_by_bucket_first() -> None:
    table = AddressTable(4)
    for slot in range(SLOTS):
        table.put(entry(1, slot), (0, slot))
    lonely = entry(2)
    table.put(lonely, (3, 9))
    random = seeded()
    chosen = Counter(
        found.group for _ in range(400) if (found := table.choose(random, lambda one: True))
    )
    assert 150 < chosen[lonely.group] < 250


def test_whatever_is_wanted_is_found_in_the_whole_table() -> None:
    table = AddressTable(64)
    entries = [entry(group) for group in range(64)]
    for bucket, one in enumerate(entries):
        table.put(one, (bucket, bucket % SLOTS))
    random = seeded()
    for one in entries:
        assert table.choose(random, lambda found, wanted=one: found is wanted) is one  # type: ignore[misc]
    assert table.choose(random, lambda found: False) is None
    for one in entries[::2]:
        table.remove(one)
    assert table.filled == 32
    for _ in range(50):
        assert table.choose(random, lambda found: True) in entries[1::2]
    assert AddressTable(4).choose(random, lambda found: True) is None
