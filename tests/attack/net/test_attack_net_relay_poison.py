"""Attacks on the relay of blocks: parts that are not those of the block."""

from dataclasses import replace

import pytest

from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.limits import COMPACT_EXTRA_BYTES
from esper.p2p.wire.bulk_messages import BlockTxs, BodyOf, Compact, Proof
from esper.p2p.wire.talk_messages import GetBlock, GetBlocks, GetBlockTxs
from tests.support.net.relay_attacks import answer_with_header, block_key
from tests.support.net.relay_world import (
    GENESIS,
    LIMITS,
    RelayWorld,
    body_of,
    made_on,
    parts_of,
    transactions_of,
)


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
