"""Receipts over what becomes of a chain: other branches, restarts, an index that is built anew."""

from pathlib import Path

import pytest

from esper.consensus.chain import BlockBytes
from esper.node.chain.history import ChainHistory, HistoryView
from esper.node.chain.opening import rebuild_index
from esper.node.datadir import DataDirectory
from esper.node.views.receipts.answered_call import TRIES
from esper.primitives.ids import Txid
from esper.receipts.judging import judge_bytes
from esper.receipts.parts import BURIED
from esper.receipts.verdict import EXIT_BROKEN, EXIT_PROVEN
from esper.rpc.errors import NOT_FOUND
from esper.rpc.methods import GET_PROOF
from esper.rpc.schema import ProofParams, ProofReply
from tests.support.node.node_world import PARAMS, NodeWorld, copied, go, node_world, running
from tests.support.node.receipt_asking import around, receipt_of, refused
from tests.support.node.rpc_asking import mined_with_what_waits, refusal
from tests.support.vm_world import ALICE, BOB

DEEP = 2 * BURIED


async def answered(world: NodeWorld) -> Txid:
    """A call whose block has an anchor."""
    [call] = await world.send_calls(50)
    async with running(world):
        await mined_with_what_waits(world)
    for _ in range(DEEP):
        await world.others_turn()
    return call


def test_a_reorganisation_takes_a_receipt_back(grown: Path, tmp_path: Path) -> None:
    others: list[BlockBytes] = []

    async def elsewhere() -> None:
        async with node_world(copied(grown, tmp_path / "other"), mines=False) as world:
            for _ in range(DEEP + 2):
                block = world.others_block(payee=BOB)
                await world.take(block)
                others.append(BlockBytes.of(block))

    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node")) as world:
            call = await answered(world)
            lost = (await receipt_of(world, call, anchor=True)).receipt.encode()
            assert judge_bytes(lost, around(world)).strict_exit_code == EXIT_PROVEN
            before = world.node.chain.tip
            for block in others:
                await world.node.chain.submit(block)
            assert world.node.chain.view.store.index.height_of(before) is None
            verdict = judge_bytes(lost, around(world))
            assert verdict.exit_code == EXIT_BROKEN
            assert verdict.broken is not None
            assert verdict.broken.name == "chain"
            # It waits again, and has another receipt once it is answered again.
            assert (await refused(world, call)).data in ({"status": "queued"}, {"status": "proven"})
            async with running(world):
                await mined_with_what_waits(world)
            for _ in range(DEEP):
                await world.others_turn()
            found = (await receipt_of(world, call, anchor=True)).receipt.encode()
            assert judge_bytes(found, around(world)).strict_exit_code == EXIT_PROVEN

    go(elsewhere)
    go(main)


def test_what_is_read_over_a_reorganisation_is_read_again(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[BlockBytes] = []
    fresh = ChainHistory.view.fget  # type: ignore[attr-defined]
    seen: list[HistoryView] = []
    stale: list[HistoryView] = []

    def view(history: ChainHistory) -> HistoryView:
        seen.append(fresh(history))
        return stale.pop() if stale else seen[-1]

    async def elsewhere() -> None:
        async with node_world(copied(grown, tmp_path / "other"), mines=False) as world:
            for _ in range(DEEP + 2):
                block = world.others_block(payee=BOB)
                await world.take(block)
                others.append(BlockBytes.of(block))

    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node")) as world:
            call = await answered(world)
            monkeypatch.setattr(ChainHistory, "view", property(view))
            await receipt_of(world, call)
            before = seen[-1]
            for block in others:
                await world.node.chain.submit(block)
            async with running(world):
                await mined_with_what_waits(world)
            right = await receipt_of(world, call)
            for asked in (receipt_of, proof_of):
                # Its index is of before the reorganisation, its blocks are of after it.
                stale[:] = [before] * (TRIES - 1)
                again = await asked(world, call)
                assert (again.height, again.block) == (right.height, right.block)
                assert not stale
                stale[:] = [before] * TRIES
                error = await refusal(asked(world, call))
                assert error.data == {"status": "moved", "retry": True}
                assert error.code == NOT_FOUND
                assert "ask again" in error.message

    go(elsewhere)
    go(main)


async def proof_of(world: NodeWorld, call: Txid) -> ProofReply:
    return await world.ask(GET_PROOF, ProofParams(call.hex()))


def test_an_index_that_was_built_anew_gives_the_same_receipt(grown: Path, tmp_path: Path) -> None:
    folder = copied(grown, tmp_path / "node")
    found: list[str] = []

    async def first() -> Txid:
        async with node_world(folder) as world:
            call = await answered(world)
            found.append((await receipt_of(world, call, anchor=True)).receipt)
            return call

    async def again(call: Txid) -> None:
        async with node_world(folder, mines=False) as world:
            found.append((await receipt_of(world, call, anchor=True)).receipt)
            assert judge_bytes(found[-1].encode(), around(world)).strict_exit_code == EXIT_PROVEN

    call = go(first)
    go(lambda: again(call))
    rebuild_index(DataDirectory(folder, PARAMS), accept_loss=False, reserve_bytes=0)
    go(lambda: again(call))
    assert len(set(found)) == 1


def test_calls_of_old_blocks_have_their_weight(grown: Path, tmp_path: Path) -> None:
    """Contexts go with the undo records; the weight of a leaf is read back from the headers."""

    folder = copied(grown, tmp_path / "node")

    async def first() -> Txid:
        async with node_world(folder) as world:
            [call] = await world.send_calls(50, key=ALICE)
            async with running(world):
                await mined_with_what_waits(world)
            for _ in range(PARAMS.limits.undo_depth + 5):
                await world.others_turn()
            return call

    async def later(call: Txid) -> None:
        async with node_world(folder, mines=False) as world:
            view = world.node.chain.view
            assert view.context_of(view.store.index.entry(13).block_id) is None
            reply = await receipt_of(world, call, anchor=True)
            verdict = judge_bytes(reply.receipt.encode(), around(world))
            assert verdict.strict_exit_code == EXIT_PROVEN

    call = go(first)
    go(lambda: later(call))
