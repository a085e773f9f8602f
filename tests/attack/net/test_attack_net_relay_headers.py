"""Attacks on the relay of blocks: headers without parents, and from the future."""

from dataclasses import replace

from esper.p2p.faults import Offence
from esper.p2p.limits import ANNOUNCE_BURST, FUTURE_HEADERS, FUTURE_HEADERS_OF_A_PEER
from tests.support.net.relay_attacks import come_early
from tests.support.net.relay_world import (
    GENESIS,
    RelayWorld,
    chain_of,
    fake_work,
    header_of,
    made_on,
)


class TestOrphans:
    def test_unknown_parents_are_told_to_sync_within_what_may_be_announced(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        blocks = chain_of(12)
        for made in 4 * blocks[1:]:
            world.announce(liar, made)
        assert len(world.to_sync) == ANNOUNCE_BURST
        assert {one.peer for one in world.to_sync} == {liar}
        assert world.asked == []
        assert world.offences() == []

    def test_an_orphan_that_breaks_a_rule_by_itself_is_forged(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        header = header_of(chain_of(2)[1])
        broken = replace(header, result=b"\xff" * 64)
        world.announce(liar, broken.to_bytes())
        assert world.to_sync == []
        assert world.offences() == [(liar, Offence.FORGED)]

    def test_cheap_children_of_old_blocks_are_left_to_sync(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        blocks = chain_of(8)
        world.chain.grow(*blocks)
        near, old = made_on(blocks[1], payee="bob"), made_on(blocks[0], payee="bob")
        world.announce(liar, old)
        assert world.asked == []
        assert [one.header for one in world.to_sync] == [header_of(old)]
        world.announce(liar, near)
        assert len(world.asked) == 1


class TestFutureBlocks:
    def test_a_few_wait_for_their_time(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS)
        ahead = come_early(world, made, 60_000)
        for number in range(10):
            world.announce(liar, fake_work(made, number))
        assert world.relay.statistics().future_headers == FUTURE_HEADERS_OF_A_PEER
        assert world.asked == []
        world.pass_ms(ahead)
        assert world.relay.statistics().future_headers == 0
        assert len(world.asked_of()) == 1
        assert world.offences() == []

    def test_no_number_of_inbound_peers_fills_the_room(self) -> None:
        world = RelayWorld()
        made = made_on(GENESIS)
        ahead = come_early(world, made, 60_000)
        number = 0
        for liar in world.inbound(32):
            for _ in range(2):
                number += 1
                world.announce(liar, fake_work(made, number))
        [honest] = world.outbound(1)
        assert world.relay.statistics().future_headers < FUTURE_HEADERS
        world.announce(honest, made)
        world.pass_ms(ahead)
        world.serve(honest, made)
        assert world.has(made)

    def test_nobody_is_asked_while_busy_or_for_who_left(self) -> None:
        for leaves in (False, True):
            world = RelayWorld()
            [giver, _] = world.outbound(2)
            made = made_on(GENESIS)
            ahead = come_early(world, made, 60_000)
            world.announce(giver, made)
            if leaves:
                world.leave(giver)
                assert world.relay.statistics().future_headers == 0
            else:
                world.relay.busy = True
            world.pass_ms(ahead)
            assert world.asked == []

    def test_farther_than_ten_minutes_nobody_waits(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS)
        come_early(world, made, 600_001)
        world.announce(liar, made)
        assert world.relay.statistics().future_headers == 0
        assert world.relay.due() is None
