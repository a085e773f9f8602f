"""Packages among honest peers: many at once, the rare first, in part, and after a restart."""

from __future__ import annotations

import pytest

from esper.p2p.limits import CHUNKS_HELD, CHUNKS_OF_A_PEER, DOWNLOADS, MIB
from esper.p2p.packages.downloads import TooManyDownloadsError
from esper.p2p.packages.events import Stage
from esper.p2p.wire.package_messages import GetChunk, GetDigests
from tests.support.net.package_store import Shelf, package
from tests.support.net.package_world import Giver, PackageWorld

SMALL = package(30)


def whole(world: PackageWorld) -> bool:
    return SMALL.root in world.fetched


def here_of(world: PackageWorld) -> int:
    kept = world.shelf.kept.get(SMALL.root)
    return 0 if kept is None else len(kept.chunks)


@pytest.mark.parametrize("manifest_first", [True, False])
def test_a_package_comes_from_one_peer(manifest_first: bool) -> None:
    world = PackageWorld(shelf=Shelf(manifest_first=manifest_first))
    world.join(Giver.of(SMALL))
    world.fetch(SMALL.root)
    world.run()
    assert world.fetched == [SMALL.root]
    assert world.shelf.is_whole(SMALL)
    assert world.blamed == []
    assert world.machine.progress(world.now) == ()
    statistics = world.machine.statistics()
    assert (statistics.in_flight, statistics.held, statistics.downloads) == (0, 0, 0)


def test_what_is_here_is_not_asked_for() -> None:
    world = PackageWorld(shelf=Shelf(SMALL))
    giver = Giver.of(SMALL)
    world.join(giver)
    world.fetch(SMALL.root)
    world.run()
    assert world.fetched == [SMALL.root]
    assert giver.asked_for == []


def test_a_killed_node_goes_on_where_it_was() -> None:
    first = PackageWorld()
    first.join(Giver.of(SMALL))
    first.fetch(SMALL.root)
    first.run(lambda: here_of(first) == 11)
    here = set(first.shelf.kept[SMALL.root].chunks)
    assert len(here) == 11
    again, giver = PackageWorld(seed=2, shelf=first.shelf), Giver.of(SMALL)
    again.join(giver)
    again.fetch(SMALL.root)
    again.run()
    assert again.shelf.is_whole(SMALL)
    assert not here & set(giver.gave)
    assert not [one for one in giver.asked_for if isinstance(one, GetDigests)]


def test_many_peers_give_at_once() -> None:
    slow = [Giver.of(SMALL, chunk_ms=3_000) for _ in range(8)]
    alone = PackageWorld()
    alone.join(Giver.of(SMALL, chunk_ms=3_000))
    alone.fetch(SMALL.root)
    together = PackageWorld()
    for one in slow:
        together.join(one)
    together.fetch(SMALL.root)
    by_one = alone.run(lambda: whole(alone))
    by_eight = together.run(lambda: whole(together))
    assert 4 * by_eight < by_one
    assert all(one.gave for one in slow)


def test_peers_that_have_a_part_each_make_it_whole() -> None:
    world = PackageWorld()
    for part in range(3):
        world.join(Giver().has(SMALL, range(part * 10, part * 10 + 10)))
    world.fetch(SMALL.root)
    world.run()
    assert world.shelf.is_whole(SMALL)
    assert world.blamed == []


def test_what_a_peer_gets_later_is_asked_of_it_later() -> None:
    world, giver = PackageWorld(), Giver().has(SMALL, range(10))
    world.join(giver)
    world.fetch(SMALL.root)
    world.run(most_ms=5_000)
    assert len(world.shelf.kept[SMALL.root].chunks) == 10
    giver.has(SMALL, range(30))
    world.run(most_ms=40_000)
    assert world.shelf.is_whole(SMALL)


def test_a_rare_chunk_is_asked_for_first() -> None:
    """The first peer has all, ten others all but the last chunk: it is among the first."""
    for seed in range(5):
        world = PackageWorld(seed, Shelf(manifest_first=False))
        full = Giver.of(SMALL)
        world.join(full)
        for _ in range(10):
            world.join(Giver().has(SMALL, range(29)))
        world.fetch(SMALL.root)
        world.run()
        assert full.gave.index(29) <= 1


def test_equal_seeds_ask_alike_and_others_do_not() -> None:
    orders = []
    for seed in (1, 1, 2):
        world, giver = PackageWorld(seed), Giver.of(SMALL)
        world.join(giver)
        world.fetch(SMALL.root)
        world.run()
        orders.append(giver.gave)
    assert orders[0] == orders[1] != orders[2]


def test_a_long_list_comes_in_pages() -> None:
    long = package(9_000, size=1)
    world, giver = PackageWorld(), Giver.of(long, chunk_ms=1, latency_ms=1)
    world.join(giver)
    world.fetch(long.root)
    world.run(lambda: long.root in world.shelf.kept)
    pages = [one.page for one in giver.asked_for if isinstance(one, GetDigests)]
    assert pages == [0, 1, 2]
    assert world.shelf.kept[long.root].digests == long.digests


def test_what_is_out_is_bounded() -> None:
    world = PackageWorld(shelf=Shelf(manifest_first=False))
    for _ in range(20):
        world.join(Giver.of(package(200), outbound=True))
    world.fetch(package(200).root)
    world.run(lambda: package(200).root in world.shelf.kept)
    world.job_ms = 60_000
    world.run(most_ms=30_000)
    # The disk takes a minute for each: nothing more is asked for while so much waits for it.
    assert world.machine.statistics().held == CHUNKS_HELD


def test_inbound_peers_leave_room_for_outbound_ones() -> None:
    world = PackageWorld(shelf=Shelf(manifest_first=False))
    for _ in range(20):
        world.join(Giver.of(package(200)))
    world.fetch(package(200).root)
    world.run(lambda: package(200).root in world.shelf.kept)
    world.job_ms = 60_000
    world.run(most_ms=30_000)
    assert world.machine.statistics().held == CHUNKS_HELD - CHUNKS_HELD // 3


def test_a_quick_peer_has_several_to_give_at_once() -> None:
    world, giver = PackageWorld(), Giver.of(package(200), latency_ms=500)
    number = world.join(giver)
    world.fetch(package(200).root)
    most = 0
    while package(200).root not in world.fetched:
        most = max(most, world.machine.statistics().in_flight)
        world.step()
    assert most == CHUNKS_OF_A_PEER
    assert number not in world.gone


def test_the_more_wanted_comes_first() -> None:
    one, other = package(40, seed=1), package(40, seed=2)
    world, giver = PackageWorld(), Giver.of(one, other)
    world.join(giver)
    world.fetch(one.root, priority=1)
    world.fetch(other.root, priority=2)
    world.run()
    assert world.fetched == [other.root, one.root]


def test_another_priority_turns_the_order() -> None:
    one, other = package(40, seed=1), package(40, seed=2)
    world = PackageWorld()
    world.join(Giver.of(one, other))
    world.fetch(one.root, priority=1)
    world.fetch(other.root, priority=2)
    world.fetch(one.root, priority=3)
    world.run()
    assert world.fetched == [one.root, other.root]


def test_the_less_wanted_is_fetched_where_the_other_cannot_be() -> None:
    one, other = package(10, seed=1), package(10, seed=2)
    world = PackageWorld()
    world.join(Giver.of(other))
    world.fetch(one.root, priority=2)
    world.fetch(other.root, priority=1)
    world.run(lambda: other.root in world.fetched, most_ms=10_000)
    assert world.fetched == [other.root]


def test_a_few_are_fetched_at_once() -> None:
    world = PackageWorld()
    for seed in range(DOWNLOADS):
        world.fetch(package(2, seed=seed).root)
    with pytest.raises(TooManyDownloadsError, match="cancel"):
        world.fetch(package(2, seed=99).root)


@pytest.mark.parametrize("after_ms", [0, 10, 60, 130, 200])
def test_a_cancelled_one_asks_nothing_more(after_ms: int) -> None:
    world, giver = PackageWorld(), Giver.of(package(200))
    world.join(giver)
    world.fetch(package(200).root)
    world.run(most_ms=after_ms)
    world.cancel(package(200).root)
    asked = len(giver.asked_for)
    world.run()
    assert len(giver.asked_for) == asked
    assert not world.fetched
    assert not world.blamed
    statistics = world.machine.statistics()
    assert (statistics.in_flight, statistics.held, statistics.downloads) == (0, 0, 0)
    world.fetch(package(200).root)
    world.run()
    assert world.shelf.is_whole(package(200))


def test_a_rate_is_kept() -> None:
    world = PackageWorld(down_per_s=2 * MIB)
    world.join(Giver.of(SMALL, latency_ms=1, chunk_ms=1))
    world.fetch(SMALL.root)
    # Chunks are taken for whole until they are here: 40 bytes of each MiB are kept, the rest given
    # back, so what is asked for at once is what is bounded.
    assert world.run(lambda: whole(world)) < 20_000
    large = package(30, size=MIB)
    slow = PackageWorld(down_per_s=2 * MIB)
    slow.join(Giver.of(large, latency_ms=1, chunk_ms=1))
    slow.fetch(large.root)
    assert slow.run(lambda: large.root in slow.fetched) > 10_000


def test_progress_says_how_far_it_is() -> None:
    world = PackageWorld()
    world.fetch(SMALL.root)
    world.run(most_ms=100)
    (waits,) = world.machine.progress(world.now)
    assert (waits.stage, waits.done, waits.total, waits.peers) == (Stage.LISTING, 0, 0, 0)
    world.join(Giver.of(SMALL, chunk_ms=1_000))
    world.run(most_ms=12_000)
    (goes,) = world.machine.progress(world.now)
    assert goes.stage is Stage.FETCHING
    assert goes.total == 30
    assert 5 < goes.done < 20
    assert goes.peers == 1
    assert 20 < goes.bytes_per_s < 60
    assert goes.trouble == ""


def test_peers_that_do_not_know_the_messages_are_not_asked() -> None:
    world = PackageWorld()
    from esper.p2p.peer import Peer, PeerNumber

    old = Peer(PeerNumber(77), bytes(38), outbound=True, group=b"g")
    world.perform(world.machine.joined(old, 0))
    world.fetch(SMALL.root)
    world.run(most_ms=10_000)
    assert world.machine.statistics().sources == 0


def test_a_peer_that_leaves_is_replaced() -> None:
    world = PackageWorld()
    first = world.join(Giver.of(SMALL, chunk_ms=500))
    world.fetch(SMALL.root)
    world.run(most_ms=3_000)
    world.leave(first)
    assert world.machine.statistics().in_flight == 0
    assert world.asked_in_vain == 0
    other = Giver.of(SMALL)
    world.join(other)
    world.run()
    assert world.shelf.is_whole(SMALL)
    assert [one for one in other.asked_for if isinstance(one, GetChunk)]
