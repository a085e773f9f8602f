"""Attacks on the relay of blocks: drips in all slots, and blocks that are held back."""

from esper.p2p.limits import FETCHES_INBOUND, FETCHES_OUTBOUND, PUSHES, WAIT_FOR_OUTBOUND_MS
from esper.p2p.wire.bulk_messages import Proof
from tests.support.net.relay_attacks import block_key, come_early, drip, preferred
from tests.support.net.relay_world import (
    GENESIS,
    LIMITS,
    RelayWorld,
    chain_of,
    fake_work,
    made_on,
    parts_of,
    transactions_of,
)


class TestSlots:
    def test_drips_in_all_inbound_slots_do_not_stop_an_outbound_peer(self) -> None:
        world = RelayWorld()
        [honest] = world.outbound(1)
        made = made_on(GENESIS, "alice")
        for number, liar in enumerate(world.inbound(32)):
            for more in range(4):
                world.announce(liar, fake_work(made, 10 * number + more))
        world.pass_ms(WAIT_FOR_OUTBOUND_MS)
        assert world.relay.statistics().fetches_inbound == FETCHES_INBOUND
        world.announce(honest, made)
        world.serve(honest, made)
        assert world.has(made)

    def test_drips_of_outbound_peers_leave_two_slots_for_pushes(self) -> None:
        world = RelayWorld()
        blocks = chain_of(1)
        friend = preferred(world, blocks)
        made = made_on(blocks[-1], "alice")
        for number, liar in enumerate(world.outbound(8)):
            world.announce(liar, fake_work(made, number))
        assert world.relay.statistics().fetches_outbound == FETCHES_OUTBOUND
        world.push(friend, made)
        world.work()
        assert world.has(made)
        assert world.relay.statistics().pushes == 0

    def test_drippers_of_the_block_itself_cost_a_second_each(self) -> None:
        world = RelayWorld()
        first, second, honest, fourth = world.outbound(4)
        made = made_on(GENESIS, "alice")
        for number in (first, second, honest, fourth):
            world.announce(number, made)
        assert world.asked_of() == [first]
        world.pass_ms(999)
        assert world.asked_of() == [first]
        world.pass_ms(1)
        assert world.asked_of() == [first, second]
        world.pass_ms(1000)
        assert world.asked_of() == [first, second, honest]
        world.pass_ms(5000)
        assert world.asked_of() == [first, second, honest]
        world.serve(honest, made)
        assert world.has(made)
        assert {one.peer for one in world.cancels} == {first, second}
        assert world.offences() == []

    def test_an_honest_inbound_peer_has_its_turn_among_drippers(self) -> None:
        world = RelayWorld()
        made = made_on(GENESIS, "alice")
        for number, liar in enumerate(world.inbound(6)):
            for more in range(4):
                world.announce(liar, fake_work(made, 10 * number + more))
        assert world.relay.statistics().fetches_inbound == FETCHES_INBOUND
        honest = world.peer()
        world.announce(honest, made)
        drip(world, 10_050)
        assert honest in world.asked_of()
        world.serve(honest, made)
        assert world.has(made)

    def test_bytes_are_reserved_before_anything_is_asked(self) -> None:
        world = RelayWorld()
        made = made_on(GENESIS)
        for number, liar in enumerate((*world.inbound(32), *world.outbound(10))):
            world.announce(liar, fake_work(made, number))
        world.pass_ms(WAIT_FOR_OUTBOUND_MS)
        most = FETCHES_INBOUND + FETCHES_OUTBOUND
        assert world.relay.statistics().reserved_bytes == most * LIMITS.fetch
        assert most + PUSHES == 13


class TestDraws:
    def test_a_block_that_is_held_back_behind_its_header_came_when_it_came(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS)
        world.announce(giver, made)
        world.pass_ms(6_000)
        world.serve(giver, made)
        assert [one.received_ms for one in world.lists] == [5_000]

    def test_our_own_queues_do_not_count(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS)
        world.pass_ms(100)
        world.announce(giver, made)
        world.pass_ms(500)
        world.serve(giver, made, jobs=False)
        world.pass_ms(30_000)
        world.work()
        assert [one.received_ms for one in world.lists] == [100]

    def test_transactions_held_back_count_as_well(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS, "alice")
        world.announce(giver, made)
        parts = parts_of(made)
        compact = parts.compact(lambda _: True, 1)
        world.answer(giver, block_key(world, giver), compact, Proof(1, made.block_id, parts.proof))
        world.work()
        world.pass_ms(2_500)
        world.serve(giver, made)
        assert [one.received_ms for one in world.lists] == [1_500]

    def test_a_proof_or_a_body_held_back_counts_as_well(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS, "alice", "bob")
        parts = parts_of(made)
        world.announce(giver, made)
        key = block_key(world, giver)
        world.answer(giver, key, parts.compact(lambda _: False, 1), end=False)
        world.pass_ms(2_000)
        world.answer(giver, key, Proof(1, made.block_id, parts.proof))
        world.work()
        assert [one.received_ms for one in world.lists] == [1_000]
        world = RelayWorld()
        [giver] = world.outbound(1)
        world.pool.add(*transactions_of(made))
        first, second, *_ = world.pool.transactions
        world.pool.transactions[first] = world.pool.transactions[second]
        world.announce(giver, made)
        key = block_key(world, giver)
        proof = Proof(1, made.block_id, parts.proof)
        world.answer(giver, key, parts.compact(lambda _: True, 1), proof)
        world.work()
        world.pass_ms(4_000)
        world.serve(giver, made)
        assert [one.received_ms for one in world.lists] == [0, 3_000]

    def test_a_header_that_had_to_wait_for_its_time_came_when_that_came(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS)
        ahead = come_early(world, made, 5_000)
        world.announce(giver, made)
        world.pass_ms(ahead)
        world.serve(giver, made)
        assert [one.received_ms for one in world.lists] == [ahead]
