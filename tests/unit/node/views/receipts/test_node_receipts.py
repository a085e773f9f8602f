"""Receipts as a node makes them, on a chain of fake work, judged as anybody would."""

from pathlib import Path

import pytest
import trio
import trio.testing

from esper.consensus.template import BlockPlan
from esper.node.views.receipts.answered_call import none_yet
from esper.primitives.ids import Txid
from esper.receipts.form import decode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.parts import BURIED
from esper.receipts.verdict import EXIT_OPEN, EXIT_PROVEN, LINKS, Verdict
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from tests.support.node.node_world import (
    PARAMS,
    NodeWorld,
    NoTexts,
    copied,
    go,
    grown_datadir,
    node_params,
    node_world,
    pay,
    rest,
    running,
)
from tests.support.node.receipt_asking import around, receipt_of, refused
from tests.support.node.rpc_asking import LONG, mined_with_what_waits
from tests.support.vm_world import ALICE, BOB, CAROL, COIN

EMPTY = 2 * BURIED
"""Blocks above an answer until it has its anchor."""


async def grow(world: NodeWorld, blocks: int) -> None:
    for _ in range(blocks):
        await world.others_turn()


def all_ok(verdict: Verdict) -> bool:
    return {link.name: str(link.status) for link in verdict.links} == {
        name: "absent" if name == "instant" else "ok" for name in LINKS
    }


WIDE = node_params(rows_per_group=4 * PARAMS.calls.rows_per_call)
"""Four calls fit one group."""


def test_a_group_of_four_with_its_anchor(tmp_path: Path) -> None:
    datadir = grown_datadir(tmp_path / "node", WIDE)

    async def main() -> None:
        async with node_world(datadir, WIDE) as world:
            keys = (ALICE, BOB, ALICE, BOB)
            made = [await world.send(key, world.call(50 + at)) for at, key in enumerate(keys)]
            async with running(world):
                await mined_with_what_waits(world)
            answered = world.height
            bare = await receipt_of(world, made[0].txid)
            assert (bare.anchor, bare.height) == (None, answered)
            assert bare.lacking == f"the anchor comes with block {answered + EMPTY}, the tip is 13"
            verdict = judge_bytes(bare.receipt.encode(), around(world))
            assert (verdict.exit_code, verdict.status("chain")) == (EXIT_PROVEN, "open")
            await grow(world, EMPTY - 1)
            assert (await receipt_of(world, made[0].txid)).anchor is None
            await grow(world, 1)
            for at, call in enumerate(made):
                reply = await receipt_of(world, call.txid)
                assert (reply.anchor, reply.anchored_at) == (answered + BURIED, world.height)
                assert (reply.confirmations, reply.lacking) == (EMPTY + 1, "")
                verdict = judge_bytes(reply.receipt.encode(), around(world))
                assert all_ok(verdict), verdict.links
                receipt = decode_receipt(reply.receipt.encode())
                assert receipt.group is not None
                assert len(receipt.group.members) == 4
                assert receipt.group.members[receipt.group.position].prompt == (1, 50 + at)
            # Later anchors show the same.
            await grow(world, 3)
            reply = await receipt_of(world, made[3].txid)
            assert reply.anchor == world.height - BURIED
            assert all_ok(judge_bytes(reply.receipt.encode(), around(world)))

    go(main)


def test_a_lane_with_its_anchor(grown_long: Path, tmp_path: Path) -> None:
    async def main() -> None:
        datadir = copied(grown_long, tmp_path / "node")
        async with node_world(datadir, LONG) as world:
            async with running(world):
                lanes = world.service._lanes
                assert lanes is not None
                coins = Transfer((Output(lanes.sender, 10 * COIN),))
                await world.others_turn(world.signed(CAROL, coins))
                call = await world.send(ALICE, world.call(50))
                await mined_with_what_waits(world)
                await rest()
                await mined_with_what_waits(world)
            await grow(world, EMPTY)
            reply = await receipt_of(world, call.txid)
            assert (reply.height, reply.anchor) == (15, 15 + BURIED)
            assert all_ok(judge_bytes(reply.receipt.encode(), around(world)))
            assert decode_receipt(reply.receipt.encode()).answer is not None

    go(main)


def test_what_is_asked_for(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node")) as world:
            [call] = await world.send_calls(50)
            async with running(world):
                await mined_with_what_waits(world)
            error = await refused(world, call, anchor=True)
            assert error.data == {"status": "not_deep"}
            assert "comes with block 25" in error.message
            await grow(world, EMPTY)
            plain = await receipt_of(world, call, work=False, anchor=False)
            receipt = decode_receipt(plain.receipt.encode())
            assert (receipt.work, receipt.anchor, plain.lacking) == (None, None, "")
            assert judge_bytes(plain.receipt.encode(), around(world)).exit_code == EXIT_OPEN
            whole = await receipt_of(world, call, work=True, anchor=True)
            assert all_ok(judge_bytes(whole.receipt.encode(), around(world)))

    go(main)


def test_work_that_was_pruned(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node")) as world:
            [call] = await world.send_calls(50)
            async with running(world):
                await mined_with_what_waits(world)
            await grow(world, EMPTY)
            store = world.node.manager.store
            store.put_proof(13, b"")
            await grow(world, 1)
            error = await refused(world, call, work=True)
            assert error.data == {"status": "pruned"}
            assert "work: false" in error.message
            reply = await receipt_of(world, call)
            assert reply.lacking == ("the work of block 13 is pruned here, an archive node has it")
            verdict = judge_bytes(reply.receipt.encode(), around(world))
            assert (verdict.exit_code, verdict.status("work")) == (EXIT_OPEN, "absent")
            assert verdict.status("paid") == "ok"

    go(main)


def test_why_there_is_no_receipt(grown_long: Path, tmp_path: Path) -> None:
    async def main() -> None:
        datadir = copied(grown_long, tmp_path / "node")
        async with node_world(datadir, LONG, mines=False) as world:
            unknown = await refused(world, Txid(b"\7" * 64))
            assert unknown.data == {"status": "unknown"}
            call = world.signed(ALICE, world.call(50))
            await world.take(world.others_block(BlockPlan((call,), (None,))))
            assert (await refused(world, call.txid)).data == {"status": "open"}
            [waits] = await world.send_calls(51)
            assert (await refused(world, waits)).data == {"status": "queued"}
            for _ in range(LONG.calls.lane_expiry_blocks + 1):
                await world.others_turn()
            assert (await refused(world, call.txid)).data == {"status": "lapsed"}
            sent = await world.send(BOB, pay(CAROL))
            assert "is no call" in (await refused(world, sent.txid)).message

    go(main)


def test_texts_are_needed(grown: Path, tmp_path: Path) -> None:
    folder = copied(grown, tmp_path / "node")

    async def answered() -> Txid:
        async with node_world(folder) as world:
            [call] = await world.send_calls(50)
            async with running(world):
                await mined_with_what_waits(world)
            return call

    async def asked(call: Txid) -> None:
        async with node_world(folder, mines=False, texts=NoTexts()) as world:
            error = await refused(world, call)
            assert error.data == {"status": "no_tokenizer"}
            assert "get_proof" in error.message

    txid = go(answered)
    go(lambda: asked(txid))


def test_two_are_made_at_once(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node"), mines=False) as world:
            reading, most, gate = 0, 0, trio.Event()

            async def in_thread(work: object) -> None:
                nonlocal reading, most
                reading += 1
                most = max(most, reading)
                await gate.wait()
                reading -= 1
                raise none_yet(Txid(bytes(64)), "receipt", "unknown", "nothing was read")

            monkeypatch.setattr(world.node.chain, "in_thread", in_thread)
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(refused, world, Txid(bytes(64)))
                await trio.testing.wait_all_tasks_blocked()
                assert (reading, most) == (2, 2)
                gate.set()
            assert (reading, most) == (0, 2)

    go(main)
