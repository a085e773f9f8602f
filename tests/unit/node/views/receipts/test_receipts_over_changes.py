"""Receipts over what becomes of a chain: other branches, restarts, an index that is built anew."""

from pathlib import Path

from esper.consensus.chain import BlockBytes
from esper.node.chain.opening import rebuild_index
from esper.node.datadir import DataDirectory
from esper.primitives.ids import Txid
from esper.receipts.judging import judge_bytes
from esper.receipts.parts import BURIED
from esper.receipts.verdict import EXIT_BROKEN, EXIT_PROVEN
from tests.support.node.node_world import PARAMS, NodeWorld, copied, go, node_world, running
from tests.support.node.receipt_asking import around, receipt_of, refused
from tests.support.node.rpc_asking import mined_with_what_waits
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
