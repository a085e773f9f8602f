"""Packages in any company: what honest peers have comes whole, and only liars are blamed."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.p2p.limits import CHUNKS_HELD
from esper.p2p.packages import bits
from tests.support.net.package_store import Package, Shelf, package
from tests.support.net.package_world import (
    BLAMED_FOR_BYTES,
    LYING,
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

HOUR_MS = 3_600_000


@st.composite
def givers(draw: Any, one: Package) -> Giver:
    kind = draw(
        st.sampled_from([Giver, Giver, Liar, ListLiar, CountLiar, Boaster, Staller, Mute, Busy])
    )
    made: Giver = kind(
        latency_ms=draw(st.integers(0, 400)),
        chunk_ms=draw(st.integers(0, 2_000)),
        outbound=draw(st.booleans()),
    )
    if isinstance(made, (Liar, Staller)):
        made.honest_chunks = draw(st.integers(0, len(one.chunks)))
    if isinstance(made, ListLiar):
        made.longer = draw(st.booleans())
    part = range(len(one.chunks))
    if type(made) is Giver:
        part = draw(st.sets(st.sampled_from(part)))
    return made.has(one, part)


@st.composite
def worlds(draw: Any) -> tuple[PackageWorld, Package]:
    one = package(draw(st.integers(1, 40)), seed=draw(st.integers(0, 3)))
    shelf = Shelf(manifest_first=draw(st.booleans()))
    if draw(st.booleans()):
        here = draw(st.sets(st.sampled_from(range(len(one.chunks)))))
        if not shelf.manifest_first or 0 in here:
            shelf.keep(one, sorted(here))
    world = PackageWorld(draw(st.integers(0, 1 << 20)), shelf)
    world.job_ms = draw(st.integers(0, 500))
    company = draw(st.lists(givers(one), max_size=8))
    # Honest peers that together have everything, each with the list.
    parts = draw(st.integers(1, 3))
    for part in range(parts):
        honest = Giver(latency_ms=draw(st.integers(0, 400)), chunk_ms=draw(st.integers(0, 1_500)))
        company.append(honest.has(one, range(part, len(one.chunks), parts)))
    for giver in draw(st.permutations(company)):
        world.join(giver)
    return world, one


def check_blames(world: PackageWorld) -> None:
    for number, offence in world.blamed:
        assert isinstance(world.peers[number], LYING), (number, offence)
        assert offence in BLAMED_FOR_BYTES
    for number, giver in world.peers.items():
        assert number not in world.gone or type(giver) is not Giver


def check_empty(world: PackageWorld) -> None:
    statistics = world.machine.statistics()
    assert (statistics.in_flight, statistics.held, statistics.downloads) == (0, 0, 0)


@given(worlds())
def test_a_package_comes_whole_in_any_company(made: tuple[PackageWorld, Package]) -> None:
    world, one = made
    world.fetch(one.root)
    world.run(lambda: one.root in world.fetched, most_ms=2 * HOUR_MS)
    assert world.shelf.is_whole(one)
    check_blames(world)
    check_empty(world)


@given(worlds(), st.integers(0, 20_000), st.integers(0, 1 << 20))
def test_killed_at_any_time_it_goes_on(
    made: tuple[PackageWorld, Package], after_ms: int, seed: int
) -> None:
    world, one = made
    world.fetch(one.root)
    world.run(lambda: one.root in world.fetched, most_ms=after_ms)
    kept = world.shelf.kept.get(one.root)
    here = set(kept.chunks) if kept is not None else set()
    again = PackageWorld(seed, world.shelf)
    giver = Giver.of(one)
    again.join(giver)
    again.fetch(one.root)
    again.run(lambda: one.root in again.fetched)
    assert again.shelf.is_whole(one)
    assert not here & set(giver.gave)
    assert again.blamed == []


@settings(max_examples=60)
@given(worlds(), st.data())
def test_peers_come_and_go_and_downloads_are_taken_back(
    made: tuple[PackageWorld, Package], data: st.DataObject
) -> None:
    world, one = made
    other = package(7, seed=9)
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.integers(0, 5)):
            case 0:
                world.fetch(one.root, data.draw(st.integers(0, 3)))
            case 1:
                world.fetch(other.root, data.draw(st.integers(0, 3)))
            case 2:
                world.cancel(data.draw(st.sampled_from([one.root, other.root])))
            case 3 if world.peers:
                world.leave(data.draw(st.sampled_from(sorted(world.peers))))
            case 4:
                world.join(Giver.of(one, other))
            case _:
                world.run(most_ms=data.draw(st.integers(0, 5_000)))
        statistics = world.machine.statistics()
        assert 0 <= statistics.in_flight <= statistics.held <= CHUNKS_HELD
    for number, _ in world.blamed:
        assert isinstance(world.peers[number], LYING)
    world.cancel(one.root)
    world.cancel(other.root)
    world.run(most_ms=60_000)
    check_empty(world)


@given(st.data(), st.integers(1, 300))
def test_sets_of_chunks_are_sets(data: st.DataObject, count: int) -> None:
    chosen = st.sets(st.integers(0, count - 1))
    sets = data.draw(st.lists(chosen, max_size=5))
    masks = [bits.set_of(one, count) for one in sets]
    for one, mask in zip(sets, masks, strict=True):
        assert {at for at in range(count) if mask >> at & 1} == one
        assert bits.from_wire(bits.to_wire(mask, count)) == mask
        if one:
            assert bits.pick(mask, count, data.draw(st.randoms(use_true_random=False))) in one
    for level, mask in enumerate(bits.held_by_more_than(masks, 3), start=1):
        expected = {at for at in range(count) if sum(at in one for one in sets) > level}
        assert {at for at in range(count) if mask >> at & 1} == expected
