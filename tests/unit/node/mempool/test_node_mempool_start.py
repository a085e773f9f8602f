"""What a node finds at its start of all that waited, wherever the last one was killed."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.template import BlockPlan
from esper.mempool.journal import Kept, MempoolJournal
from esper.node.mempool import mempool_start
from esper.node.running_node import JOURNAL_FILE
from esper.storage.chain_store import ChainStore
from esper.storage.side_blocks import SIDE_FOLDER, SideBlocks
from esper.vm.transaction import Transaction, decode_transaction
from tests.support.fake_work import FakeVerifier
from tests.support.node.node_world import (
    PARAMS,
    NodeWorld,
    genesis_of,
    go,
    jump,
    mined_block,
    node_world,
    pay,
)
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make, sign

FAR = 1 << 60
TOLD = "esper.mempool"


class Killed(Exception):
    """Where the process ends."""


def signed(nonce: int, amount: int = COIN, fee: int = 100_000) -> Transaction:
    return sign(ALICE, make(ALICE, pay(BOB, amount), nonce, fee=fee), genesis_of(PARAMS))


def branch(*bodies: tuple[Transaction, ...], late_ms: int = 0) -> list[Block]:
    """Blocks from genesis on that hold these."""
    chain, blocks = ProvenChain.genesis(PARAMS), []
    for height, body in enumerate(bodies, 1):
        now_ms = PARAMS.genesis_time_ms + 10_000 * height + late_ms
        plan = BlockPlan(body)
        block = mined_block(PARAMS, chain.context, chain.state, address(CAROL), now_ms, plan)
        chain = extend(chain, block, FakeVerifier(PARAMS.model), now_ms=FAR)
        blocks.append(block)
    return blocks


async def take(world: NodeWorld, *blocks: Block) -> None:
    for block in blocks:
        # Rivals that come far apart draw no lots.
        jump(60)
        await world.node.chain.submit(BlockBytes.of(block))


def waiting(world: NodeWorld) -> set[bytes]:
    return {one.txid for one, _, _ in world.node.mempool.pool.kept()}


def journaled(datadir: Path) -> set[bytes]:
    limit = PARAMS.limits.transaction_bytes
    kept = MempoolJournal(datadir / JOURNAL_FILE, limit).load()
    return {decode_transaction(one.data, limit).txid for one in kept}


def cut_before(datadir: Path, cut: Path, wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """Instead of ``wrapped`` the process ends; ``cut`` is what it leaves on disk."""

    def ends(*_: Any, **__: Any) -> None:
        if not cut.exists():
            shutil.copytree(datadir, cut)
        raise Killed

    return ends


def cut_after(datadir: Path, cut: Path, wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """The process ends once ``wrapped`` has done its work."""

    def ends(*given: Any, **named: Any) -> None:
        wrapped(*given, **named)
        if not cut.exists():
            shutil.copytree(datadir, cut)
        raise Killed

    return ends


@pytest.mark.parametrize(
    ("place", "name", "how"),
    [
        pytest.param(ChainStore, "rewind", cut_after, id="after the first step back"),
        pytest.param(ChainStore, "append", cut_before, id="before the first step forth"),
        pytest.param(MempoolJournal, "append", cut_before, id="before the journal"),
    ],
)
def test_a_kill_in_a_change_of_chain_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: type, name: str, how: Any
) -> None:
    sent = [signed(nonce) for nonce in range(6)]
    left = branch(tuple(sent[:5]), (sent[5],))
    right = branch((), (), (), late_ms=1)
    datadir, cut = tmp_path / "node", tmp_path / "cut"
    datadir.mkdir()

    async def killed() -> None:
        async with node_world(datadir, mines=False) as world:
            await take(world, *left, *right[:2])
            assert waiting(world) == set()
            with monkeypatch.context() as patch:
                patch.setattr(place, name, how(datadir, cut, getattr(place, name)))
                with pytest.raises(Killed):
                    await take(world, right[2])

    async def again() -> None:
        async with node_world(cut, mines=False) as world:
            assert world.node.chain.tip == right[2].header.block_id
            assert waiting(world) == {one.txid for one in sent}
            assert world.node.mempool.selection(world.height + 1) == sent
            # It is as if they had come now.
            heights = {world.node.mempool.pool.arrival_height(one.txid) for one in sent}
            assert heights == {world.height}
            # The next kill does not depend on those blocks any more.
            assert journaled(cut) == waiting(world)

    go(killed)
    assert journaled(cut) == set()
    go(again)


def test_what_the_chain_has_does_not_come_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The honest twin: a block beside the chain holds it, and so does one of the chain."""
    both, beaten, lost = signed(0), signed(1), signed(2)
    rival = signed(1, 2 * COIN, fee=50_000)
    left = branch((both, beaten), (lost,))
    right = branch((both, rival), (), (), late_ms=1)

    async def first() -> None:
        async with node_world(tmp_path, mines=False) as world:
            await take(world, *left, *right)
            assert waiting(world) == {lost.txid}

    async def again() -> None:
        async with node_world(tmp_path, mines=False) as world:
            assert waiting(world) == {lost.txid}

    go(first)
    (tmp_path / JOURNAL_FILE).unlink()
    with caplog.at_level(logging.INFO, TOLD):
        go(again)
    assert [record.getMessage() for record in caplog.records if record.name == TOLD] == [
        "of blocks beside the chain, 1 transactions wait, 1 are in the chain already, 1 left out: "
        "another of the same sender took their place in the chain (NonceUsedViolation)"
    ]


def test_what_was_replaced_does_not_displace_its_replacement(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The honest twin: the chain gave it back, then its sender sent another in its place."""
    old, new = signed(0, fee=50_000), signed(0, 2 * COIN, fee=70_000)
    left, right = branch((old,)), branch((), (), late_ms=1)

    async def first() -> None:
        async with node_world(tmp_path, mines=False) as world:
            await take(world, *left, *right)
            await world.node.mempool.submit(new.to_bytes())
            assert waiting(world) == {new.txid}

    async def again() -> None:
        # Later than it came, as clocks go.
        jump(1_000)
        async with node_world(tmp_path, mines=False) as world:
            assert waiting(world) == {new.txid}

    go(first)
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO, TOLD):
            go(again)
        assert [record.getMessage() for record in caplog.records if record.name == TOLD] == [
            "of blocks beside the chain, 0 transactions wait, 1 left out: "
            "another took their place (ReplacementFeeError)"
        ]


def test_what_is_in_the_journal_as_well_is_offered_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left, right = branch((signed(0),)), branch((), (), late_ms=1)

    async def first() -> None:
        async with node_world(tmp_path, mines=False) as world:
            await take(world, *left, *right)

    async def again() -> None:
        async with node_world(tmp_path, mines=False) as world:
            [(_, arrived, arrived_ms)] = world.node.mempool.pool.kept()
            # As the journal has it, not as of now.
            assert (arrived, arrived_ms) == (2, kept_at[0])

    kept_at: list[int] = []
    go(first)
    journal = MempoolJournal(tmp_path / JOURNAL_FILE, PARAMS.limits.transaction_bytes)
    [one] = journal.load()
    kept_at.append(one.arrived_ms - 1_000)
    journal.rewrite([one._replace(arrived_ms=kept_at[0])])
    with caplog.at_level(logging.INFO, TOLD):
        go(again)
    assert [record for record in caplog.records if record.name == TOLD] == []


def left_alone(datadir: Path, sent: list[Transaction], in_blocks: int) -> None:
    """A killed node's folder: blocks beside the chain hold some, the journal those behind them."""
    left = branch(*((one,) for one in sent[:in_blocks]))
    right = branch(*((),) * (in_blocks + 1), late_ms=1)

    async def first() -> None:
        async with node_world(datadir, mines=False) as world:
            await take(world, *left, *right)

    go(first)
    journal = MempoolJournal(datadir / JOURNAL_FILE, PARAMS.limits.transaction_bytes)
    journal.rewrite(Kept(one.to_bytes(), 1, 0) for one in sent[in_blocks:])


@pytest.mark.parametrize(
    ("together", "in_blocks"),
    [
        pytest.param(mempool_start.TOGETHER_BYTES, 1, id="more beyond the gap than may wait there"),
        pytest.param(1, 4, id="one after the other"),
    ],
)
def test_blocks_and_journal_continue_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int, in_blocks: int
) -> None:
    monkeypatch.setattr(mempool_start, "TOGETHER_BYTES", together)
    sent = [signed(nonce) for nonce in range(8)]
    left_alone(tmp_path, sent, in_blocks)

    async def again() -> None:
        async with node_world(tmp_path, mines=False) as world:
            assert world.node.mempool.selection(world.height + 1) == sent

    go(again)


def test_so_many_are_held_at_once() -> None:
    sent = [signed(nonce) for nonce in range(3)]
    size = len(sent[0].to_bytes())
    parts = mempool_start.batches
    assert list(parts(sent, 1)) == [[sent[0]], [sent[1]], [sent[2]], []]
    assert list(parts(sent, 2 * size)) == [sent[:2], sent[2:]]
    assert list(parts(sent, 4 * size)) == [sent]
    # The journal's are offered whether there is anything beside the chain or not.
    assert list(parts([], 1)) == [[]]


def test_blocks_are_read_lowest_first_and_without_coinbases(tmp_path: Path) -> None:
    sent = [signed(nonce) for nonce in range(4)]
    blocks = branch(*((one,) for one in sent))
    side = SideBlocks(tmp_path)
    for block in reversed(blocks):
        side.put(block.header.block_id, BlockBytes.of(block))
    assert list(mempool_start.transactions_beside(side, PARAMS.limits)) == sent


def test_a_block_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    sent = [signed(nonce) for nonce in range(3)]
    blocks = branch(*((one,) for one in sent))
    side = SideBlocks(tmp_path)
    for block in blocks:
        side.put(block.header.block_id, BlockBytes.of(block))
    # One is damaged, one is sound and no block of ours.
    damaged = tmp_path / SIDE_FOLDER / f"{blocks[0].header.block_id.hex()}.block"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    side.put(blocks[1].header.block_id, BlockBytes(b"header", b"body", b""))
    assert list(mempool_start.transactions_beside(side, PARAMS.limits)) == [sent[2]]


def test_what_the_journal_has_and_the_state_refuses_is_counted_by_rule(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def first() -> None:
        async with node_world(tmp_path, mines=False) as world:
            sent = [await world.send(ALICE, pay(BOB)) for _ in range(2)]
            await world.send(BOB, pay(CAROL), expiry=1)
            await world.send(CAROL, pay(ALICE))
            data = (tmp_path / JOURNAL_FILE).read_bytes()
            await world.others_turn(*sent)
        (tmp_path / JOURNAL_FILE).write_bytes(data)
        journal = MempoolJournal(tmp_path / JOURNAL_FILE, PARAMS.limits.transaction_bytes)
        journal.append(b"no transaction of ours", 0, 0)
        journal.close()

    async def again() -> None:
        async with node_world(tmp_path, mines=False) as world:
            assert len(waiting(world)) == 1

    def told() -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.INFO, TOLD):
            go(again)
        return [record.getMessage() for record in caplog.records if record.name == TOLD]

    go(first)
    assert told() == [
        "of those that waited before, 2 are in the chain already, "
        "1 left out: no transactions of this program (UnreadableTransactionViolation), "
        "1 left out: their last height has passed (ExpiredViolation)"
    ]
    # What is left of the journal is sound.
    assert told() == []
