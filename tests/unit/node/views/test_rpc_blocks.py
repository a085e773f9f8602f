"""Blocks, transactions and the mempool as the RPC shows them, on a chain of fake work."""

from dataclasses import replace
from pathlib import Path

import pytest

from esper.node.chain.stored_blocks import stored_block
from esper.primitives.ids import Txid
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.storage.history.history_reader import HistoryReader
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from tests.support.node.node_world import PARAMS, go, node_world, pay, running
from tests.support.node.rpc_asking import mined_with_what_waits, refusal, text
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, MINER, address


def test_a_block(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            sent = await world.send(BOB, pay(CAROL))
            [called] = await world.send_calls(50)
            await mined_with_what_waits(world)
            tip = await world.ask(m.GET_BLOCK, s.BlockParams())
            found = stored_block(world.node.manager.view(), 13)
            assert (tip.height, tip.hash) == (13, found.block_id.hex())
            assert tip.payee == text(MINER)
            assert tip.reward == str(found.content.coinbase.amount)
            assert tip.proof_bytes == len(world.node.manager.store.proof(13))
            assert tip.confirmations == 1
            assert tip.usefulness_per_mille > 0
            by_id = {one.txid: one for one in tip.transactions}
            assert set(by_id) == {sent.txid.hex(), called.hex()}
            assert by_id[sent.txid.hex()].answer is None
            answer = found.answers()[called]
            assert by_id[called.hex()].answer == " ".join(map(str, answer))
            assert len(tip.work) == PARAMS.puzzle.sequences
            assert all(work.answer and work.prompt for work in tip.work)
            by_hash = await world.ask(m.GET_BLOCK, s.BlockParams(hash=tip.hash))
            assert by_hash == await world.ask(m.GET_BLOCK, s.BlockParams(height=13)) == tip
            below = await world.ask(m.GET_BLOCK, s.BlockParams(height=12))
            assert (tip.parent, below.confirmations) == (below.hash, 2)

    go(main)


def test_a_transaction_waiting_confirmed_and_dropped(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            sent = await world.send(BOB, pay(CAROL, 5 * COIN))
            ask = s.TransactionParams(txid=sent.txid.hex())
            waiting = await world.ask(m.GET_TRANSACTION, ask)
            assert (waiting.status, waiting.kind, waiting.sender) == (
                "pending",
                "transfer",
                text(BOB),
            )
            assert waiting.outputs == [s.Output(address=text(CAROL), amount=str(5 * COIN))]
            assert (waiting.hex, waiting.fee) == (sent.to_bytes().hex(), str(FEE))
            assert (waiting.height, waiting.confirmations) == (None, 0)
            block = await world.others_turn(sent)
            await world.others_turn()
            there = await world.ask(m.GET_TRANSACTION, ask)
            assert (there.status, there.height, there.index) == ("confirmed", 13, 0)
            assert (there.block, there.confirmations) == (block.header.block_id.hex(), 2)
            assert there.time_ms == block.header.pre.time_ms
            assert there.hex == waiting.hex
            # Another one takes the nonce of one that waits.
            beaten = await world.send(CAROL, pay(BOB))
            rival = world.signed(CAROL, pay(ALICE), nonce=beaten.nonce)
            await world.others_turn(rival)
            gone = await world.ask(m.GET_TRANSACTION, s.TransactionParams(txid=beaten.txid.hex()))
            assert gone.status == "dropped"
            assert gone.reason

    go(main)


def test_a_transaction_whose_evidence_took_something(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            sent, other = await world.send(BOB, pay(CAROL)), await world.send(CAROL, pay(BOB))
            receipt = Txid(b"r" * 64)
            taken = TakenPenalty(sent.txid, receipt, address(ALICE), address(BOB), 1, 2, 4, 3)
            # No group of this chain has proofs of answers; the history has what a block told.
            told = {sent.txid: taken}
            monkeypatch.setattr(HistoryReader, "penalty", lambda _, txid: told.get(txid))
            ask = s.TransactionParams(txid=sent.txid.hex())
            assert (await world.ask(m.GET_TRANSACTION, ask)).penalty is None, "it waits"
            await world.others_turn(sent, other)
            assert (await world.ask(m.GET_TRANSACTION, ask)).penalty == s.PenaltyReply(
                receipt=receipt.hex(),
                gateway=text(ALICE),
                rewards="1",
                stake="2",
                unbonding="4",
                taken="7",
                paid="3",
                burned="4",
            )
            ask = s.TransactionParams(txid=other.txid.hex())
            assert (await world.ask(m.GET_TRANSACTION, ask)).penalty is None

    go(main)


def test_what_is_submitted_waits_or_is_refused_with_its_rule(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            first = world.signed(BOB, pay(CAROL))
            said = await world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=first.to_bytes().hex()))
            assert (said.txid, said.replaced) == (first.txid.hex(), None)
            higher = world.signed(BOB, pay(ALICE), nonce=first.nonce, fee=2 * FEE)
            said = await world.ask(
                m.SUBMIT_TRANSACTION, s.SubmitParams(hex=higher.to_bytes().hex())
            )
            assert (said.txid, said.replaced) == (higher.txid.hex(), first.txid.hex())
            lower = world.signed(BOB, pay(ALICE), nonce=first.nonce, fee=2 * FEE + 1)
            error = await refusal(
                world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=lower.to_bytes().hex()))
            )
            assert (error.code, error.data) == (
                e.REFUSED,
                {"rule": "ReplacementFeeError", "retry": False},
            )
            unsigned = replace(world.signed(CAROL, pay(ALICE)), signature=bytes(3309))
            error = await refusal(
                world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=unsigned.to_bytes().hex()))
            )
            assert error.code == e.REFUSED
            assert error.data is not None
            assert error.data["rule"] == "SignatureViolation"
            assert error.data["retry"] is False

    go(main)


def test_a_full_mempool_says_what_would_do(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            world.node.mempool.pool._contents.fee_room.limit = 7000
            await world.send(BOB, pay(CAROL))
            late = world.signed(CAROL, pay(ALICE), fee=60_000)
            error = await refusal(
                world.ask(m.SUBMIT_TRANSACTION, s.SubmitParams(hex=late.to_bytes().hex()))
            )
            assert error.code == e.MEMPOOL_FULL, error
            assert error.data is not None
            assert error.data["rule"] == "MempoolFullError"
            assert float(error.data["minimum_fee_per_byte"]) > 0

    go(main)


def test_the_mempool_in_its_order(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            cheap = await world.send(BOB, pay(CAROL))
            dear = await world.send(CAROL, pay(BOB), fee=3 * FEE)
            [called] = await world.send_calls(50)
            shown = await world.ask(m.GET_MEMPOOL)
            assert (shown.transactions, shown.calls) == (3, 1)
            assert set(shown.txids) == {one.hex() for one in (cheap.txid, dear.txid, called)}
            assert shown.txids.index(dear.txid.hex()) < shown.txids.index(cheap.txid.hex())
            assert 0 < shown.call_bytes < shown.bytes < shown.limit_bytes
            assert float(shown.minimum_fee_per_byte) > 0

    go(main)
