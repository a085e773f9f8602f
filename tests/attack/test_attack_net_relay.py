"""Attacks on the relay of blocks: one row of the network page's section 15 after the other.

In each an honest block reaches the node in the time that the page promises, nobody honest is
blamed, and what strangers fill stays within its bounds.
"""

from dataclasses import replace

import pytest

from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.limits import (
    ANNOUNCE_BURST,
    COMPACT_EXTRA_BYTES,
    FETCHES_INBOUND,
    FETCHES_OUTBOUND,
    FUTURE_HEADERS,
    FUTURE_HEADERS_OF_A_PEER,
    PROOF_BURST,
    PROOFS_PER_S_IN_ALL,
    PUSHES,
    WAIT_FOR_OUTBOUND_MS,
    WAIT_FOR_PUSH_MS,
    WORKS_OF_A_PEER,
)
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.blocks.delivery import Key
from esper.p2p.wire.bulk_messages import BlockTxs, BodyOf, Compact, Proof
from esper.p2p.wire.talk_messages import GetBlock, GetBlocks, GetBlockTxs
from tests.support.block_workshop import Made
from tests.support.relay_world import (
    GENESIS,
    LIMITS,
    RelayWorld,
    body_of,
    chain_of,
    fake_sibling,
    fake_work,
    header_of,
    honest_answers,
    made_on,
    parts_of,
    transactions_of,
)


def block_key(world: RelayWorld, number: PeerNumber) -> Key:
    [key] = [key for key, request in world.open(number) if isinstance(request, GetBlock)]
    return key


def answer_with_header(
    world: RelayWorld, number: PeerNumber, made: Made, header: bytes, proof: bytes
) -> None:
    """What somebody says who made up a header: the parts of a real block under it."""
    parts = parts_of(made)
    key = block_key(world, number)
    request = dict(world.open(number))[key]
    assert isinstance(request, GetBlock)
    compact = replace(parts.compact(lambda _: False, 1), header=header)
    world.answer(number, key, compact, Proof(1, request.block_id, proof))


def drip(world: RelayWorld, ms: int) -> None:
    """Time passes, while those who are asked give nothing; late ones end as requests end them."""
    started = dict.fromkeys(world.asks, world.now)
    for _ in range(ms // 50):
        world.pass_ms(50)
        for key in tuple(world.asks):
            if world.now - started.setdefault(key, world.now) >= 10_000:
                world.end(*key, End.LATE)


class TestForged:
    def test_a_forged_proof_bans_all_who_said_they_had_proven_it(self) -> None:
        world = RelayWorld()
        liar, second, honest = world.outbound(3)
        made = made_on(GENESIS)
        header = fake_work(made, 1)
        world.announce(liar, header)
        world.announce(second, header)
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        assert world.offences() == [(liar, Offence.FORGED), (second, Offence.FORGED)]
        world.announce(honest, made)
        world.serve(honest, made)
        assert world.has(made)

    def test_a_forged_id_is_never_fetched_again(self) -> None:
        world = RelayWorld()
        liar, late = world.outbound(2)
        made = made_on(GENESIS)
        header = fake_work(made, 1)
        world.announce(liar, header)
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        asked = len(world.asked)
        world.announce(late, header)
        assert len(world.asked) == asked
        assert (late, Offence.FORGED) in world.offences()

    def test_no_list_is_looked_at_before_the_work(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS, "alice")
        header = fake_work(made, 1)
        world.announce(liar, header)
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        assert world.lists == []

    def test_header_spam_is_ignored_beyond_one_a_second(self) -> None:
        world = RelayWorld()
        [spammer] = world.inbound(1)
        looked_at = 0
        check = world.chain.check_header

        def counting(*given: object) -> None:
            nonlocal looked_at
            looked_at += 1
            check(*given)  # type: ignore[arg-type]

        world.chain.check_header = counting  # type: ignore[method-assign,assignment]
        made = made_on(GENESIS)
        for number in range(500):
            world.announce(spammer, fake_work(made, number))
        assert looked_at == ANNOUNCE_BURST
        assert world.relay.statistics().works <= WORKS_OF_A_PEER

    def test_a_peer_is_asked_for_no_more_proofs_than_its_budget(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS)
        seconds = 30
        for number in range(seconds * 10):
            world.announce(liar, fake_work(made, number))
            for one, key in tuple(world.asks):
                world.end(one, key, End.REFUSED)
            world.pass_ms(100)
        assert len(world.asked) <= PROOF_BURST + 2 * seconds

    def test_inbound_peers_leave_a_third_of_all_proofs_to_outbound(self) -> None:
        world = RelayWorld()
        world.outbound(1)
        made = made_on(GENESIS)
        number = 0
        for liar in world.inbound(12):
            for _ in range(4):
                number += 1
                world.announce(liar, fake_work(made, number))
        world.now += WAIT_FOR_OUTBOUND_MS
        world.do(world.relay.on_time(world.now))
        while world.asks:
            for one, key in tuple(world.asks):
                world.end(one, key, End.REFUSED)
        most = PROOFS_PER_S_IN_ALL - PROOFS_PER_S_IN_ALL // 3 + 3
        asked = len(world.asked)
        assert 12 < asked <= most
        # The others wait for what comes in again.
        assert world.relay.statistics().works > 0
        due = world.relay.due()
        assert due is not None
        assert due <= world.now + 100
        world.pass_ms(100)
        assert len(world.asked) > asked
        honest = world.peer(outbound=True)
        world.announce(honest, made)
        world.serve(honest, made)
        assert world.has(made)


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
        friend = _preferred(world, blocks)
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


class TestSibling:
    def test_a_fake_sibling_first_does_not_hide_the_block(self) -> None:
        world = RelayWorld()
        liar, honest = world.outbound(2)
        made = made_on(GENESIS, "alice")
        header = fake_sibling(made, 1)
        world.announce(liar, header)
        world.announce(honest, made)
        assert world.asked_of() == [liar]
        answer_with_header(world, liar, made, header, made.data.proof)
        world.work()
        assert (liar, Offence.BYTES) in world.offences()
        assert world.asked_of() == [honest]
        world.serve(honest, made)
        assert world.has(made)

    def test_43_fakes_of_one_work_cost_no_more_than_a_second(self) -> None:
        world = RelayWorld()
        made = made_on(GENESIS, "alice")
        for number, liar in enumerate(world.inbound(32)):
            world.announce(liar, fake_sibling(made, number))
        [honest] = world.outbound(1)
        world.announce(honest, made)
        drip(world, 1_000)
        assert honest in world.asked_of()
        world.serve(honest, made)
        assert world.has(made)
        assert world.relay.statistics().works == 0

    def test_a_peer_names_one_id_of_a_work(self) -> None:
        world = RelayWorld()
        [liar] = world.inbound(1)
        made = made_on(GENESIS)
        for number in range(10):
            world.announce(liar, fake_sibling(made, number))
        assert world.relay.statistics().ids == 1

    def test_a_proven_work_has_no_other_id_fetched(self) -> None:
        world = RelayWorld()
        honest, other = world.outbound(2)
        made = made_on(GENESIS)
        world.announce(honest, made)
        world.serve(honest, made)
        asked = len(world.asked)
        world.announce(other, fake_sibling(made, 1))
        world.pass_ms(5000)
        assert len(world.asked) == asked
        assert world.offences() == []


class TestPoison:
    def test_a_proof_that_does_not_hash_bans_its_sender_and_marks_nothing(self) -> None:
        world = RelayWorld()
        liar, honest = world.outbound(2)
        made = made_on(GENESIS)
        world.announce(liar, made)
        world.announce(honest, made)
        answer_with_header(world, liar, made, made.data.header, b"another proof")
        world.work()
        assert world.offences() == [(liar, Offence.BYTES)]
        world.serve(honest, made)
        assert world.has(made)

    @pytest.mark.parametrize("what", ["header", "outputs", "results", "groups"])
    def test_wrong_bytes_of_a_compact_block_ban_its_sender(self, what: str) -> None:
        world = RelayWorld()
        liar, honest = world.outbound(2)
        made, other = made_on(GENESIS, "alice"), made_on(GENESIS, "bob")
        world.announce(liar, made)
        world.announce(honest, made)
        parts = parts_of(made)
        changes = {
            "header": other.data.header,
            "outputs": parts_of(other).outputs,
            "results": (b"\x90",),
            "groups": (b"group",),
        }
        sound = parts.compact(lambda _: False, 1)
        spoiled = replace(sound, **{what: changes[what]})  # type: ignore[arg-type]
        key = block_key(world, liar)
        world.answer(liar, key, spoiled, Proof(1, made.block_id, parts.proof))
        # What costs a hash is looked at at once, before any thread is asked.
        assert world.offences() == ([] if what == "outputs" else [(liar, Offence.BYTES)])
        world.work()
        assert world.offences() == [(liar, Offence.BYTES)]
        world.serve(honest, made)
        assert world.has(made)

    def test_other_transactions_than_asked_for_ban_and_are_asked_elsewhere(self) -> None:
        world = RelayWorld()
        liar, honest = world.outbound(2)
        made = made_on(GENESIS, "alice", "bob")
        world.announce(liar, made)
        world.announce(honest, made)
        parts = parts_of(made)
        world.answer(
            liar,
            block_key(world, liar),
            parts.compact(lambda _: True, 1),
            Proof(1, made.block_id, parts.proof),
        )
        world.work()
        [(key, request)] = world.open(liar)
        assert isinstance(request, GetBlockTxs)
        first, second, _ = transactions_of(made)
        world.answer(liar, key, BlockTxs(1, made.block_id, (second, first)), end=False)
        assert world.offences() == [(liar, Offence.BYTES)]
        world.serve(honest, made)
        assert world.has(made)
        # The proof was here: nobody was asked for it again.
        assert sum(isinstance(one, GetBlock) for _, one in world.asked) == 1

    def test_transactions_held_back_behind_a_real_proof_come_from_others(self) -> None:
        world = RelayWorld()
        miser, honest = world.outbound(2)
        made = made_on(GENESIS, "alice", "bob")
        world.announce(miser, made)
        world.announce(honest, made)
        parts = parts_of(made)
        compact = parts.compact(lambda _: True, 1)
        world.answer(miser, block_key(world, miser), compact, Proof(1, made.block_id, parts.proof))
        world.work()
        [(key, _)] = world.open(miser)
        world.end(miser, key, End.LATE)
        world.serve(honest, made)
        assert world.has(made)

    def test_wrong_shorts_cost_one_whole_body_and_no_blame(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS, "alice", "bob")
        world.pool.add(*transactions_of(made))
        world.announce(giver, made)
        parts = parts_of(made)
        compact = parts.compact(lambda _: True, 1)
        swapped = replace(compact, shorts=compact.shorts[::-1])
        world.answer(giver, block_key(world, giver), swapped, Proof(1, made.block_id, parts.proof))
        world.work()
        [(key, request)] = world.open(giver)
        assert isinstance(request, GetBlocks)
        world.answer(giver, key, BodyOf(1, made.block_id, body_of(parts)))
        world.work()
        assert world.has(made)
        assert world.offences() == []

    def test_parts_are_asked_of_nobody_who_owes_another_block(self) -> None:
        world = RelayWorld()
        miser, honest = world.outbound(2)
        made, other = made_on(GENESIS, "alice", "bob"), made_on(GENESIS, payee="carol")
        world.announce(miser, made)
        world.announce(honest, other)
        world.announce(honest, made)
        parts = parts_of(made)
        proof = Proof(1, made.block_id, parts.proof)
        world.answer(miser, block_key(world, miser), parts.compact(lambda _: True, 1), proof)
        world.work()
        [(key, _)] = world.open(miser)
        world.end(miser, key, End.REFUSED)
        assert [type(one) for _, one in world.open(honest)] == [GetBlock]
        world.serve(honest, other)
        assert [type(one) for _, one in world.open(honest)] == [GetBlockTxs]
        world.serve(honest, made)
        assert world.has(made)

    def test_a_body_under_another_id_is_wrong(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS, "alice", "bob")
        world.pool.add(*transactions_of(made))
        first, second, *_ = world.pool.transactions
        world.pool.transactions[first] = world.pool.transactions[second]
        world.announce(liar, made)
        parts = parts_of(made)
        proof = Proof(1, made.block_id, parts.proof)
        world.answer(liar, block_key(world, liar), parts.compact(lambda _: True, 1), proof)
        world.work()
        [(key, _)] = world.open(liar)
        world.answer(liar, key, BodyOf(1, bytes(64), made.data.body), end=False)
        assert world.offences() == [(liar, Offence.BYTES)]

    @pytest.mark.parametrize("body", [b"no body", None])
    def test_a_whole_body_of_another_block_bans_and_the_next_is_asked(
        self, body: bytes | None
    ) -> None:
        world = RelayWorld()
        liar, honest = world.outbound(2)
        made = made_on(GENESIS, "alice", "bob")
        world.pool.add(*transactions_of(made))
        world.announce(liar, made)
        world.announce(honest, made)
        parts = parts_of(made)
        compact = parts.compact(lambda _: True, 1)
        swapped = replace(compact, shorts=compact.shorts[::-1])
        world.answer(liar, block_key(world, liar), swapped, Proof(1, made.block_id, parts.proof))
        world.work()
        [(key, _)] = world.open(liar)
        other = replace(parts, transactions=parts.transactions[::-1])
        world.answer(liar, key, BodyOf(1, made.block_id, body or body_of(other)))
        world.work()
        assert world.offences() == [(liar, Offence.BYTES)]
        world.serve(honest, made)
        assert world.has(made)

    def test_compact_block_and_transactions_have_one_sum(self) -> None:
        world = RelayWorld()
        [liar] = world.outbound(1)
        made = made_on(GENESIS, "alice")
        world.announce(liar, made)
        parts = parts_of(made)
        most = LIMITS.body + COMPACT_EXTRA_BYTES
        compact = replace(parts.compact(lambda _: False, 1), groups=(bytes(most),))
        world.answer(liar, block_key(world, liar), compact)
        assert world.offences() == [(liar, Offence.SIZE)]

    def test_transactions_beyond_the_sum_are_an_offence(self) -> None:
        from esper.p2p.faults import Fault
        from esper.p2p.relay.compact import Filling, prefixes_of

        made = made_on(GENESIS, "alice")
        long = bytes(LIMITS.body // 2)
        compact = Compact(
            0, made.data.header, b"", (), (bytes(LIMITS.body // 2),), prefixes_of([long, b"b"]), ()
        )
        Filling(compact, lambda _: (), LIMITS.body).take([long, b"b"])
        longer = bytes(LIMITS.body // 2 + COMPACT_EXTRA_BYTES)
        compact = replace(compact, shorts=prefixes_of([longer, b"b"]))
        with pytest.raises(Fault) as caught:
            Filling(compact, lambda _: (), LIMITS.body).take([longer, b"b"])
        assert caught.value.offence is Offence.SIZE


class TestBadState:
    def test_the_maker_pays_and_no_carrier(self) -> None:
        world = RelayWorld()
        giver, listener = world.outbound(2)
        made = made_on(GENESIS, spoil="root")
        world.failing.add(made.block_id)
        world.announce(giver, made)
        world.serve(giver, made)
        assert world.announced_to(made) == [listener]
        assert world.offences() == []
        # Its like is not asked for again, and who announces it is not blamed.
        asked = len(world.asked)
        world.announce(listener, made)
        assert len(world.asked) == asked
        assert world.offences() == []

    def test_who_announces_a_block_that_sync_found_bad_is_not_blamed(self) -> None:
        world = RelayWorld()
        [giver] = world.outbound(1)
        made = made_on(GENESIS, spoil="root")
        world.chain.invalid.add(made.block_id)
        world.announce(giver, made)
        assert world.offences() == []
        assert world.asked == []

    def test_a_block_on_top_blames_nobody_soon_after_and_other_rules_later(self) -> None:
        world = RelayWorld()
        giver, listener = world.outbound(2)
        made = made_on(GENESIS, spoil="root")
        child = made_on(made)
        world.failing.add(made.block_id)
        world.announce(giver, made)
        world.serve(giver, made)
        world.announce(listener, child)
        assert world.offences() == []
        world.pass_ms(60_000)
        world.announce(listener, child)
        assert world.offences() == [(listener, Offence.OTHER_RULES)]


class TestPrefer:
    def test_a_preferred_peer_that_holds_back_its_proof_costs_a_quarter_second(self) -> None:
        world = RelayWorld()
        blocks = chain_of(1)
        slow = _preferred(world, blocks)
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
        first, second = _preferred(world, blocks[:1]), _preferred(world, blocks[1:])
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
        liar = _preferred(world, blocks)
        made = made_on(blocks[-1])
        world.push(liar, made, proof=False)
        world.do(world.relay.pushed(liar, Proof(0, bytes(64), made.data.proof), world.now))
        assert world.offences() == [(liar, Offence.BYTES)]
        assert world.jobs == []

    def test_no_more_than_two_pushes_are_held(self) -> None:
        world = RelayWorld()
        blocks = chain_of(5)
        pushers = [_preferred(world, blocks[:1]), _preferred(world, blocks[1:2])]
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
            friend = _preferred(world, blocks)
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
        slow = [_preferred(world, blocks[:1])]
        slow.append(_preferred(world, blocks[1:2]))
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
        slow = _preferred(world, blocks)
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
        ahead = _ahead(world, made, 5_000)
        world.announce(giver, made)
        world.pass_ms(ahead)
        world.serve(giver, made)
        assert [one.received_ms for one in world.lists] == [ahead]


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
        ahead = _ahead(world, made, 60_000)
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
        ahead = _ahead(world, made, 60_000)
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
            ahead = _ahead(world, made, 60_000)
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
        _ahead(world, made, 600_001)
        world.announce(liar, made)
        assert world.relay.statistics().future_headers == 0
        assert world.relay.due() is None


def _preferred(world: RelayWorld, blocks: list[Made]) -> PeerNumber:
    """A new outbound peer that is told to push, for it was first with these blocks."""
    [friend] = world.outbound(1)
    for made in blocks:
        world.announce(friend, made)
        world.serve(friend, made)
    assert friend in world.preferred()
    return friend


def _ahead(world: RelayWorld, made: Made, ms: int) -> int:
    """Sets the clock so that a block comes so much too early; says how much that is."""
    future = world.chain.tip.params.difficulty.future_limit_ms
    world.shift_clock(header_of(made).pre.time_ms - future - ms)
    return ms
