"""Attacks on the relay of blocks by peers that were asked to push."""

from esper.p2p.faults import Offence
from esper.p2p.limits import PUSHES, WAIT_FOR_PUSH_MS
from esper.p2p.wire.bulk_messages import Proof
from tests.support.net.relay_attacks import preferred
from tests.support.net.relay_world import (
    GENESIS,
    RelayWorld,
    chain_of,
    honest_answers,
    made_on,
    parts_of,
    transactions_of,
)


class TestPrefer:
    def test_a_preferred_peer_that_holds_back_its_proof_costs_a_quarter_second(self) -> None:
        world = RelayWorld()
        blocks = chain_of(1)
        slow = preferred(world, blocks)
        [honest] = world.outbound(1)
        made = made_on(blocks[-1], "alice")
        world.push(slow, made, proof=False)
        world.announce(honest, made)
        assert world.asked_of() == []
        world.pass_ms(WAIT_FOR_PUSH_MS)
        assert world.asked_of() == [honest]
        world.serve(honest, made)
        assert world.has(made)
        # What it pushes in the end is thrown away.
        world.do(world.relay.pushed(slow, Proof(0, made.block_id, made.data.proof), world.now))
        assert world.offences() == []

    def test_a_second_push_does_not_prolong_the_wait(self) -> None:
        world = RelayWorld()
        blocks = chain_of(2)
        first, second = preferred(world, blocks[:1]), preferred(world, blocks[1:])
        [honest] = world.outbound(1)
        made = made_on(blocks[-1], "alice")
        world.push(first, made, proof=False)
        world.announce(honest, made)
        world.pass_ms(200)
        world.push(second, made, proof=False)
        world.pass_ms(WAIT_FOR_PUSH_MS - 200)
        assert world.asked_of() == [honest]

    def test_a_pushed_proof_is_of_the_block_that_was_pushed(self) -> None:
        world = RelayWorld()
        blocks = chain_of(1)
        liar = preferred(world, blocks)
        made = made_on(blocks[-1])
        world.push(liar, made, proof=False)
        world.do(world.relay.pushed(liar, Proof(0, bytes(64), made.data.proof), world.now))
        assert world.offences() == [(liar, Offence.BYTES)]
        assert world.jobs == []

    def test_no_more_than_two_pushes_are_held(self) -> None:
        world = RelayWorld()
        blocks = chain_of(5)
        pushers = [preferred(world, blocks[:1]), preferred(world, blocks[1:2])]
        [third] = world.outbound(1)
        for made in blocks[2:]:
            world.announce(third, made)
            world.serve(third, made)
        assert third in world.preferred()
        assert len(world.preferred()) == 2
        # Whoever was replaced may still have a push on its way.
        for number, pusher in enumerate((*pushers, third)):
            world.push(pusher, made_on(blocks[-1], *["alice"] * number), proof=False)
        assert world.relay.statistics().pushes == PUSHES
        assert world.offences() == []

    def test_wrong_shorts_and_two_candidates_cost_the_preference(self) -> None:
        for ambiguous in (False, True):
            world = RelayWorld()
            blocks = chain_of(1)
            friend = preferred(world, blocks)
            made = made_on(blocks[-1], "alice", "bob")
            if ambiguous:
                rival = made_on(blocks[-1], "alice", "bob", payee="carol")
                world.announce(friend, rival)
                world.serve(friend, rival)
            world.pool.add(*transactions_of(made))
            if ambiguous:
                for prefix in world.pool.transactions:
                    world.pool.transactions[prefix] = b"another one"
            else:
                first, second, *_ = world.pool.transactions
                world.pool.transactions[first] = world.pool.transactions[second]
            world.announce(friend, made)
            parts = parts_of(made)
            [(key, request)] = world.open(friend)
            world.answer(friend, key, *honest_answers(parts, request, lambda _: True))
            world.work()
            assert friend not in world.preferred()
            assert world.offences() == []

    def test_who_is_slow_is_replaced_by_who_is_first_in_three(self) -> None:
        world = RelayWorld()
        blocks = chain_of(9)
        slow = [preferred(world, blocks[:1])]
        slow.append(preferred(world, blocks[1:2]))
        assert world.preferred() == slow
        [honest] = world.outbound(1)
        replaced = []
        for made in blocks[2:]:
            for one in world.preferred():
                if one != honest:
                    world.push(one, made, proof=False)
            world.announce(honest, made)
            world.pass_ms(WAIT_FOR_PUSH_MS)
            if world.asks:
                world.serve(honest, made)
            replaced.append(honest in world.preferred())
        assert replaced[:3] == [False, False, True]
        assert len(world.preferred()) == 2

    def test_a_push_that_nobody_asked_for_is_an_offence(self) -> None:
        world = RelayWorld()
        [stranger] = world.outbound(1)
        made = made_on(GENESIS)
        world.push(stranger, made)
        assert world.offences() == [(stranger, Offence.UNASKED)] * 2
        assert not world.jobs

    def test_a_push_without_its_proof_ends_after_ten_seconds(self) -> None:
        world = RelayWorld()
        blocks = chain_of(1)
        slow = preferred(world, blocks)
        world.push(slow, made_on(blocks[-1]), proof=False)
        world.pass_ms(9_999)
        assert world.relay.statistics().pushes == 1
        world.pass_ms(1)
        assert world.relay.statistics().pushes == 0
        assert world.offences() == [(slow, Offence.LATE_ANSWER)]
        assert slow not in world.preferred()

    def test_inbound_peers_never_hold_both_places(self) -> None:
        world = RelayWorld()
        blocks = chain_of(8)
        inbound = world.inbound(3)
        for index, made in enumerate(blocks):
            giver = inbound[index % 3]
            world.announce(giver, made)
            world.serve(giver, made)
        assert len(world.preferred()) == 1
