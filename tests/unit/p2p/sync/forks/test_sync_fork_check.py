"""Until a node was synced once: forks are looked for, owed, tried; the heavier total stays."""

import pytest

from esper.p2p.faults import Offence
from esper.p2p.peer import PeerNumber
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetBlocks, GetHeaders
from tests.support.net.sync_world import FORGED, UNIT, Made, Script, World, up_to

HUGE = (1 << 500) - 1
DAY = 86_400_000


def newcomer() -> tuple[World, Made, Made]:
    """A world with the honest chain's tip and a liar's lighter chain, which part at block 83.

    The numbers are those of the example on the network page, with an undo depth of 16.
    """
    world = World()
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 83)[-1]
    honest = makers.chain(stem, 120)[-1]
    light = makers.chain(stem, 100, UNIT // 2)[-1]
    return world, honest, light


def lied_to(world: World, light: Made) -> list[PeerNumber]:
    """Liars who claim everything join: the newcomer follows them first."""
    claim = Claim(light.height, HUGE, light.block_id)
    return [world.honest(light, claim=claim) for _ in range(3)]


def test_one_honest_outbound_peer_suffices_against_a_light_chain() -> None:
    world, honest, light = newcomer()
    liars = lied_to(world, light)
    one = world.honest(honest)
    heights = []
    while world.tip is not honest:
        assert world.now < 600_000, world.sync.state
        world.run(100)
        heights.append(world.tip.height)
        assert not world.sync.state.settled
    # It really went the liars' way first, and changed by a reroot.
    assert world.chain.rerooted
    world.chain.current = True
    world.run(120_000)
    assert world.tip is honest
    assert world.syncs == 1
    assert not {number for number, _, _ in world.blamed} & {one, *liars}


def test_a_check_asks_all_outbound_peers_and_blocks_wait_for_its_end() -> None:
    world = World()
    tip = world.makers.chain(world.makers.genesis, 60)[-1]
    world.honest(tip)
    mute = world.join(Script(world.makers, up_to(tip), silent=(GetHeaders,),
                             claim=Claim(60, 1, tip.block_id)))  # fmt: skip
    inbound = world.honest(tip, outbound=False, claim=Claim(60, 1, tip.block_id))
    world.until(lambda: world.tip.height == 15, ms=10_000)
    began = world.now
    # Eight executed, a check began; sixteen wait for its end, ten seconds by the mute one.
    world.run(5_000)
    assert world.tip.height == 15
    world.until(lambda: world.tip.height > 15, ms=10_000)
    assert 9_000 <= world.now - began <= 11_000
    checks = [peer for _, peer, request in world.asked
              if isinstance(request, GetHeaders) and request.most == 1]  # fmt: skip
    assert mute in checks
    assert inbound not in checks


def test_a_node_that_was_synced_checks_nothing() -> None:
    world = World(was_synced=True)
    tip = world.makers.chain(world.makers.genesis, 60)[-1]
    world.honest(tip)
    world.until(lambda: world.tip is tip, ms=10_000)
    world.run(100_000)
    assert all(not isinstance(request, GetHeaders) or request.most > 1
               for _, _, request in world.asked)  # fmt: skip


@pytest.mark.parametrize("behind", [0, 1, 5, 30])
def test_peers_of_our_chain_owe_nothing(behind: int) -> None:
    world = World()
    world.chain.current = False
    blocks = world.makers.chain(world.makers.genesis, 70)
    world.honest(blocks[-1])
    world.honest(blocks[-1 - behind])
    owed = set()
    while world.tip is not blocks[-1]:
        assert world.now < 60_000
        world.run(50)
        owed.add(world.sync.state.owed)
    assert owed == {0}
    assert world.chain.rerooted == []


def test_undo_records_are_kept_from_the_deepest_owed_fork_on() -> None:
    world, honest, light = newcomer()
    lied_to(world, light)
    world.honest(honest)
    world.until(lambda: world.sync.state.owed > 0, ms=60_000, step=10)
    assert world.chain.kept_from == 83
    world.chain.current = True
    world.until(lambda: world.syncs == 1, ms=600_000)
    assert world.chain.kept_from is None


def test_the_chain_that_was_left_is_gone_back_to_if_it_is_heavier() -> None:
    world = World()
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 40)[-1]
    honest = makers.chain(stem, 100)[-1]
    stub = makers.chain(stem, 30, UNIT * 3 // 4)[-1]
    one = world.honest(honest)
    liar = world.honest(stub, claim=Claim(200, HUGE - 1, stub.block_id))
    world.peers[one].claim = Claim(140, HUGE, honest.block_id)
    world.claim(one)
    world.until(lambda: world.tip is honest, ms=60_000)
    world.until(lambda: bool(world.chain.rerooted), ms=300_000)
    world.until(lambda: world.tip is honest, ms=300_000)
    assert world.chain.rerooted[-1] == honest.block_id
    rerooted = len(world.chain.rerooted)
    # Its group owes nothing for a day, whoever of it joins.
    world.honest(stub, group=b"group %d" % liar, claim=Claim(200, HUGE, stub.block_id))
    world.run(DAY // 4)
    assert len(world.chain.rerooted) == rerooted
    assert world.blamed == []


def test_an_owed_branch_that_is_forged_costs_its_giver_the_connection() -> None:
    world = World()
    world.chain.current = False
    makers = world.makers
    stem = makers.chain(makers.genesis, 40)[-1]
    honest = makers.chain(stem, 60)[-1]
    forged = makers.chain(stem, 60, 2 * UNIT, FORGED)[-1]
    world.honest(honest, claim=Claim(100, HUGE, honest.block_id))
    liar = world.honest(forged)
    world.until(lambda: bool(world.blamed), ms=300_000)
    assert [(number, offence) for number, offence, _ in world.blamed] == [(liar, Offence.FORGED)]
    world.chain.current = True
    world.until(lambda: world.syncs == 1, ms=60_000)
    assert world.tip is honest
    assert world.chain.rerooted == []


def test_an_owed_branch_that_does_not_come_is_waited_for_a_minute() -> None:
    world = World()
    world.chain.current = False
    stem = world.makers.chain(world.makers.genesis, 40)[-1]
    honest = world.makers.chain(stem, 60)[-1]
    heavy = world.makers.chain(stem, 60, 3 * UNIT)[-1]
    world.honest(honest, claim=Claim(100, HUGE, honest.block_id))
    world.honest(heavy, silent=(GetBlocks,))
    world.until(lambda: world.sync.state.owed == 1, ms=20_000, step=10)
    world.until(lambda: world.tip is honest, ms=20_000)
    began = world.now
    world.run(40_000)
    assert world.sync.state.owed == 1
    world.chain.current = True
    world.until(lambda: world.syncs == 1, ms=60_000)
    assert 59_000 < world.now - began < 70_000
    assert world.blamed == []


def test_a_newcomer_is_not_synced_before_the_last_check_has_ended() -> None:
    world = World()
    tip = world.makers.chain(world.makers.genesis, 6)[-1]
    world.honest(tip)
    world.join(Script(world.makers, up_to(world.makers.genesis), silent=(GetHeaders,)))
    world.until(lambda: world.tip is tip, ms=10_000)
    world.run(3_000)
    assert world.sync.state.near
    assert world.syncs == 0
    world.run(9_000)
    assert world.syncs == 1


def test_synced_once_needs_a_tip_that_is_current_and_an_outbound_peer() -> None:
    world = World()
    world.chain.current = False
    tip = world.makers.chain(world.makers.genesis, 6)[-1]
    world.honest(tip, outbound=False)
    world.until(lambda: world.tip is tip, ms=10_000)
    world.run(3_000)
    settled = [world.sync.state.settled]
    number = world.honest(tip)
    world.run(3_000)
    settled.append(world.sync.state.settled)
    before = world.syncs
    world.chain.current = True
    world.run(6_000)
    assert (before, world.syncs) == (0, 1)
    world.leave(number)
    settled.append(world.sync.state.settled)
    assert settled == [False, True, False]
