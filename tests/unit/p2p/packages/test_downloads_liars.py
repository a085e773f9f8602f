"""Packages among liars, stallers and boasters: who is wrong is blamed, and nobody else."""

from __future__ import annotations

from itertools import pairwise

import pytest

from esper.p2p.faults import Offence
from esper.p2p.limits import (
    DOUBLE_AFTER_MS,
    HOLDINGS_EVERY_MS,
    LIST_MS,
    MOST_ASIDE_MS,
    PACKAGE_TROUBLE_MS,
    SLOW_ASIDE_MS,
)
from esper.p2p.packages.events import Stage
from esper.p2p.wire.package_messages import GetChunk, GetDigests
from tests.support.net.package_store import CannotBeError, Kept, Shelf, package
from tests.support.net.package_world import (
    Boaster,
    Busy,
    CountLiar,
    Giver,
    Liar,
    ListLiar,
    Mute,
    PackageWorld,
    Staller,
)

ONE = package(30)


def fetched(world: PackageWorld) -> bool:
    return ONE.root in world.fetched


def kept(world: PackageWorld) -> Kept:
    return world.shelf.kept[ONE.root]


@pytest.mark.parametrize("honest_chunks", [0, 5])
def test_a_wrong_chunk_bans_who_sent_it_and_nobody_else(honest_chunks: int) -> None:
    world = PackageWorld()
    liar = world.join(Liar.of(ONE, honest_chunks=honest_chunks))
    honest = [world.join(Giver.of(ONE)) for _ in range(2)]
    world.fetch(ONE.root)
    world.run()
    assert world.shelf.is_whole(ONE)
    assert set(world.blamed) == {(liar, Offence.BYTES)}
    assert not world.gone & set(honest)


def test_a_liar_that_leaves_before_its_chunk_was_looked_at_is_blamed_all_the_same() -> None:
    world = PackageWorld(shelf=Shelf(manifest_first=False))
    liar = world.join(Liar.of(ONE))
    world.fetch(ONE.root)
    world.run(lambda: bool(world.machine.statistics().held))
    world.job_ms = 5_000
    world.run(most_ms=1_000)
    world.leave(liar)
    world.run(most_ms=10_000)
    assert (liar, Offence.BYTES) in world.blamed
    assert world.machine.statistics().held == 0


def test_a_liar_whose_package_is_wanted_no_more_is_blamed_all_the_same() -> None:
    world = PackageWorld(shelf=Shelf(manifest_first=False))
    liar = world.join(Liar.of(ONE))
    world.fetch(ONE.root)
    world.run(lambda: bool(world.machine.statistics().held))
    world.job_ms = 5_000
    world.run(most_ms=1_000)
    world.cancel(ONE.root)
    world.run(most_ms=10_000)
    assert (liar, Offence.BYTES) in world.blamed
    assert world.machine.statistics().held == 0


def test_a_chunk_asked_of_two_blames_only_the_one_who_was_wrong() -> None:
    world = PackageWorld()
    staller = world.join(Staller.of(ONE, honest_chunks=3))
    liar = world.join(Liar.of(ONE, honest_chunks=3))
    world.fetch(ONE.root)
    world.run(most_ms=60_000)
    assert {one for one, _ in world.blamed} == {liar}
    assert staller not in world.gone or (staller, Offence.BYTES) not in world.blamed


@pytest.mark.parametrize("longer", [False, True])
def test_a_wrong_list_bans_its_giver(longer: bool) -> None:
    world = PackageWorld()
    liar = world.join(ListLiar.of(ONE, longer=longer, outbound=True))
    world.join(Giver.of(ONE))
    world.fetch(ONE.root)
    world.run()
    assert world.shelf.is_whole(ONE)
    assert world.blamed == [(liar, Offence.BYTES)]


def test_pages_of_lists_of_two_lengths_are_a_fault() -> None:
    long = package(5_000, size=1)

    class TwoCounts(ListLiar):
        def answers(self, request, now):  # type: ignore[no-untyped-def]
            if isinstance(request, GetDigests):
                self.longer = request.page > 0
                from esper.p2p.wire.package_messages import Digests

                total = 5_000 + self.longer
                here = min(4_096, total - 4_096 * request.page)
                return self.says(
                    Digests(request.number, request.root, request.page, total, bytes(32 * here))
                )
            return super().answers(request, now)

    world = PackageWorld()
    liar = world.join(TwoCounts.of(long))
    world.fetch(long.root)
    world.run(most_ms=10_000)
    assert world.blamed == [(liar, Offence.SIZE)]


def test_holdings_of_another_count_are_a_fault_once_the_list_is_known() -> None:
    world = PackageWorld()
    liar = world.join(CountLiar.of(ONE))
    honest = world.join(Giver.of(ONE, outbound=True))
    world.fetch(ONE.root)
    world.run()
    assert world.shelf.is_whole(ONE)
    assert world.blamed == [(liar, Offence.SIZE)]
    assert honest not in world.gone


def test_who_stalls_at_the_last_chunk_holds_nothing_up() -> None:
    """The last chunk is asked of another after two seconds, not after the ten of a late one."""
    world = PackageWorld()
    staller = Staller.of(ONE, honest_chunks=2, latency_ms=1, chunk_ms=1, outbound=True)
    number = world.join(staller)
    world.join(Giver.of(ONE, chunk_ms=50))
    world.fetch(ONE.root)
    took = world.run(lambda: fetched(world))
    assert [one for one in staller.asked_for if isinstance(one, GetChunk)]
    assert DOUBLE_AFTER_MS < took < DOUBLE_AFTER_MS + 5_000
    assert world.blamed == []
    assert number not in world.gone


def test_a_silent_peer_is_let_alone_for_longer_each_time() -> None:
    world = PackageWorld()
    mute = Mute()
    world.join(mute)
    times = []
    world.fetch(ONE.root)
    while world.now < 3_000_000:
        before = len(mute.asked_for)
        world.step()
        if len(mute.asked_for) > before:
            times.append(world.now)
    assert not world.blamed
    assert not world.gone
    pauses = [later - sooner for sooner, later in pairwise(times)]
    # What is late together counts once.
    assert SLOW_ASIDE_MS <= pauses[0] < 2 * SLOW_ASIDE_MS
    assert pauses == sorted(pauses)
    assert pauses[-1] >= MOST_ASIDE_MS
    assert len(times) < 15


def test_forty_stallers_do_not_keep_one_honest_peer_away() -> None:
    world = PackageWorld()
    for _ in range(40):
        world.join(Staller.of(ONE))
    world.join(Giver.of(ONE))
    world.fetch(ONE.root)
    took = world.run(lambda: fetched(world))
    assert world.shelf.is_whole(ONE)
    assert took < 600_000
    assert world.blamed == []


def test_an_outbound_peer_is_asked_before_forty_stallers() -> None:
    world = PackageWorld()
    for _ in range(40):
        world.join(Staller.of(ONE))
    world.join(Giver.of(ONE, outbound=True))
    world.fetch(ONE.root)
    assert world.run(lambda: fetched(world)) < 30_000


def test_who_boasts_is_let_alone_and_not_blamed() -> None:
    world = PackageWorld()
    boaster = Boaster.of(ONE, outbound=True)
    number = world.join(boaster)
    world.join(Giver.of(ONE, chunk_ms=100))
    world.fetch(ONE.root)
    world.run(lambda: fetched(world))
    assert world.shelf.is_whole(ONE)
    assert world.blamed == []
    assert number not in world.gone
    assert len(boaster.asked_for) < 40


def test_a_boaster_alone_costs_little() -> None:
    world = PackageWorld()
    boaster = Boaster.of(package(5_000, size=1))
    world.join(boaster)
    world.fetch(package(5_000, size=1).root)
    world.run(most_ms=600_000)
    assert len(boaster.asked_for) < 200


def test_busy_peers_are_asked_less_and_less() -> None:
    world = PackageWorld()
    busy = Busy()
    world.join(busy)
    world.fetch(ONE.root)
    world.run(most_ms=600_000)
    # A peer counts 200 requests beyond its rates in ten minutes as an offence.
    assert 3 < len(busy.asked_for) < 100
    assert world.blamed == []


def test_a_list_that_does_not_come_whole_is_taken_elsewhere() -> None:
    long = package(70_000 // 2, size=1)

    class Slow(Giver):
        def answers(self, request, now):  # type: ignore[no-untyped-def]
            found = super().answers(request, now)
            if isinstance(request, GetDigests):
                return [(9_000, answer) for _, answer in found]
            return found

    world = PackageWorld()
    world.join(Slow.of(long, outbound=True))
    world.join(Giver.of(long))
    world.fetch(long.root)
    took = world.run(lambda: long.root in world.shelf.kept)
    assert LIST_MS < took < LIST_MS + 5_000
    assert world.blamed == []


def test_a_full_disk_blames_nobody_and_is_tried_again() -> None:
    world = PackageWorld()
    giver = world.join(Giver.of(ONE))
    world.fetch(ONE.root)
    world.run(lambda: ONE.root in world.shelf.kept)
    kept(world).fails = OSError("no space left")
    world.run(most_ms=1_000)
    (waits,) = world.machine.progress(world.now)
    assert waits.stage is Stage.WAITING
    assert "no space left" in waits.trouble
    puts = kept(world).puts
    kept(world).fails = None
    world.run(most_ms=PACKAGE_TROUBLE_MS - 5_000)
    assert kept(world).puts == puts
    world.run()
    assert world.shelf.is_whole(ONE)
    assert world.blamed == []
    assert giver not in world.gone


def test_a_disk_that_forgets_does_not_fetch_for_ever() -> None:
    world = PackageWorld(shelf=Shelf(manifest_first=False))
    giver = Giver.of(ONE)
    world.join(giver)
    world.fetch(ONE.root)
    world.run(lambda: ONE.root in world.shelf.kept)
    kept(world).forgets = True
    world.run(most_ms=600_000)
    assert len(giver.gave) <= 30 * 12
    assert "are not there" in world.machine.progress(world.now)[0].trouble
    kept(world).forgets = False
    world.run()
    assert world.shelf.is_whole(ONE)


def test_a_store_that_cannot_be_opened_is_tried_again() -> None:
    world = PackageWorld()
    world.shelf.fails = OSError("no such device")
    world.join(Giver.of(ONE))
    world.fetch(ONE.root)
    world.run(most_ms=PACKAGE_TROUBLE_MS + 1_000)
    assert world.machine.progress(world.now)[0].stage is Stage.WAITING
    world.shelf.fails = None
    world.run()
    assert world.shelf.is_whole(ONE)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_package_that_cannot_be_is_given_up_and_nobody_blamed(at_once: bool) -> None:
    world = PackageWorld()
    if at_once:
        world.shelf.fails = CannotBeError("the manifest is none")
    world.join(Giver.of(ONE))
    world.fetch(ONE.root)
    if not at_once:
        world.run(lambda: ONE.root in world.shelf.kept)
        kept(world).fails = CannotBeError("the manifest is none")
    world.run()
    assert world.hopeless == [ONE.root]
    assert not world.blamed
    assert not world.fetched
    assert world.machine.statistics().downloads == world.machine.statistics().held == 0


def test_what_a_slow_line_brings_late_narrows_what_is_asked_for() -> None:
    world = PackageWorld()
    for _ in range(10):
        world.join(Staller.of(ONE))
    world.fetch(ONE.root)
    world.run(most_ms=15_000)
    assert world.machine.statistics().limit == 2


def test_a_peer_without_the_package_is_asked_again_when_it_may_have_it() -> None:
    world, giver = PackageWorld(), Giver()
    world.join(giver)
    world.fetch(ONE.root)
    world.run(most_ms=5_000)
    early = len(giver.asked_for)
    assert early == 2
    giver.has(ONE, range(30))
    world.run(most_ms=HOLDINGS_EVERY_MS * 3)
    assert world.shelf.is_whole(ONE)
