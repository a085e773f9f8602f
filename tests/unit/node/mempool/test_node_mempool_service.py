"""The mempool beside the chain: what waits outlives restarts and changes of chain."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.template import EMPTY_PLAN, BlockPlan
from esper.mempool.departures import Departure
from esper.mempool.errors import PolicyError
from esper.mempool.journal import HEAD_BYTES, MAGIC, MempoolJournal
from esper.node.chain.changes.arrival import ReadBlock
from esper.node.events import NodeEvent, TipMoved, TransactionAdmitted, TransactionGone
from esper.node.running_node import JOURNAL_FILE
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import BlockId, Txid
from esper.primitives.params import NetworkParameters
from esper.storage.side_blocks import SideBlockError
from esper.vm.transaction import Transaction
from tests.support.fake_work import FakeVerifier
from tests.support.node.heard_events import heard
from tests.support.node.node_world import (
    PARAMS,
    NodeWorld,
    copied,
    genesis_of,
    go,
    grown_datadir,
    jump,
    mined_block,
    node_params,
    node_world,
    pay,
)
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make, sign

FAR = 1 << 60


def waiting(world: NodeWorld) -> set[bytes]:
    return {one.txid for one, _, _ in world.node.mempool.pool.kept()}


def journal_bytes(*transactions: Transaction) -> int:
    return len(MAGIC) + sum(HEAD_BYTES + len(one.to_bytes()) for one in transactions)


def ids(blocks: list[Block]) -> tuple[BlockId, ...]:
    return tuple(block.header.block_id for block in blocks)


def admitted(
    transaction: Transaction, replaced: Txid | None = None, evicted: tuple[Txid, ...] = ()
) -> TransactionAdmitted:
    return TransactionAdmitted(transaction.txid, transaction.to_bytes(), replaced, evicted)


class Chain:
    """A branch that grows by blocks of signed transactions, apart from the node."""

    def __init__(
        self, params: NetworkParameters = PARAMS, start: ProvenChain | None = None
    ) -> None:
        self.params = params
        self.chain = start or ProvenChain.genesis(params)
        self.blocks: list[Block] = []

    def signed(self, amount: int, nonce: int) -> Transaction:
        made = make(ALICE, pay(BOB, amount), nonce)
        return sign(ALICE, made, genesis_of(self.params))

    def grow(self, *transactions: Transaction, step_ms: int = 0) -> Block:
        context, state = self.chain.context, self.chain.state
        now_ms = self.params.genesis_time_ms + 10_000 * (context.height + 1) + step_ms
        plan = BlockPlan(tuple(transactions)) if transactions else EMPTY_PLAN
        block = mined_block(self.params, context, state, address(CAROL), now_ms, plan)
        self.chain = extend(self.chain, block, FakeVerifier(self.params.model), now_ms=FAR)
        self.blocks.append(block)
        return block


async def take(world: NodeWorld, *blocks: Block) -> None:
    for block in blocks:
        # Rivals that come far apart draw no lots.
        jump(60)
        await world.node.chain.submit(BlockBytes.of(block))


def test_a_restart_keeps_what_waits(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            sent = [await world.send(ALICE, pay(BOB)) for _ in range(3)]
            sent.append(await world.send(BOB, pay(CAROL)))
            before = list(world.node.mempool.pool.kept())
        async with node_world(tmp_path, mines=False) as world:
            assert waiting(world) == {one.txid for one in sent}
            assert sorted(world.node.mempool.pool.kept(), key=str) == sorted(before, key=str)

    go(main)


def test_a_killed_node_keeps_what_it_told(tmp_path: Path) -> None:
    """The journal has a transaction before its sender hears that it waits."""

    async def main() -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        async with node_world(tmp_path / "a", mines=False) as world:
            sent = [await world.send(ALICE, pay(BOB)) for _ in range(2)]
            # What the disk holds now is all that a killed process leaves.
            data = (tmp_path / "a" / JOURNAL_FILE).read_bytes()
        (tmp_path / "b" / JOURNAL_FILE).write_bytes(data)
        async with node_world(tmp_path / "b", mines=False) as world:
            assert waiting(world) == {one.txid for one in sent}

    go(main)


def test_what_a_restart_finds_invalid_is_left_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            first = await world.send(ALICE, pay(BOB))
            second = await world.send(BOB, pay(CAROL))
            data = (tmp_path / JOURNAL_FILE).read_bytes()
            await world.others_turn(first)
        (tmp_path / JOURNAL_FILE).write_bytes(data)
        async with node_world(tmp_path, mines=False) as world:
            assert waiting(world) == {second.txid}
            # The file is rewritten with what is left.
            assert (tmp_path / JOURNAL_FILE).stat().st_size == journal_bytes(second)

    go(main)


@pytest.mark.parametrize("data", [b"", b"something else", MAGIC + b"\xff" * 100])
def test_a_damaged_journal_stops_no_node(tmp_path: Path, data: bytes) -> None:
    async def main() -> None:
        (tmp_path / JOURNAL_FILE).write_bytes(data)
        async with node_world(tmp_path, mines=False) as world:
            assert waiting(world) == set()
            await world.send(ALICE, pay(BOB))
        async with node_world(tmp_path, mines=False) as world:
            assert len(waiting(world)) == 1

    go(main)


def test_a_journal_of_other_rules_stops_no_node(tmp_path: Path) -> None:
    async def main() -> None:
        journal = MempoolJournal(tmp_path / JOURNAL_FILE, PARAMS.limits.transaction_bytes)
        journal.append(b"no transaction of ours", 0, 0)
        journal.close()
        async with node_world(tmp_path, mines=False) as world:
            assert waiting(world) == set()

    go(main)


def test_a_disk_that_refuses_is_told_and_the_transaction_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            (tmp_path / JOURNAL_FILE).unlink(missing_ok=True)
            (tmp_path / JOURNAL_FILE).mkdir()
            await world.send(ALICE, pay(BOB))
            assert len(waiting(world)) == 1
            (tmp_path / JOURNAL_FILE).rmdir()

    with caplog.at_level(logging.ERROR):
        go(main)
    assert "would be lost at a restart" in caplog.text


def test_a_block_takes_its_transactions_and_replaces_rivals(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            taken = await world.send(ALICE, pay(BOB))
            behind = await world.send(ALICE, pay(BOB, 2 * COIN))
            rival = world.signed(BOB, pay(CAROL))
            beaten = await world.send(BOB, pay(ALICE))
            with world.node.events.subscribe(TipMoved, TransactionGone) as told:
                block = await world.others_turn(taken, rival)
                [*gone, tip] = await heard(told)
            # The tip is told of behind what it did.
            new = block.header.block_id
            assert tip == TipMoved(new, world.height, undone=(), applied=(new,))
            assert waiting(world) == {behind.txid}
            assert set(gone) == {
                TransactionGone(taken.txid, Departure.INCLUDED),
                TransactionGone(rival.txid, Departure.INCLUDED),
                TransactionGone(
                    beaten.txid,
                    Departure.DROPPED,
                    "NonceUsedViolation",
                    world.node.mempool.pool.dropped_reason(beaten.txid),
                ),
            }
            assert world.node.mempool.pool.dropped_reason(beaten.txid)
            assert world.node.mempool.pool.dropped_reason(taken.txid) is None

    go(main)


def test_a_change_of_chain_returns_transactions(tmp_path: Path) -> None:
    async def main() -> None:
        left, right = Chain(), Chain()
        first, second = left.signed(COIN, 0), left.signed(2 * COIN, 1)
        left.grow(first)
        left.grow(second)
        for _ in range(3):
            right.grow(step_ms=1)
        async with node_world(tmp_path, mines=False) as world:
            await take(world, *left.blocks)
            assert waiting(world) == set()
            with world.node.events.subscribe(TipMoved, TransactionAdmitted) as told:
                await take(world, *right.blocks)
                [*back, moved] = await heard(told)
            assert waiting(world) == {first.txid, second.txid}
            gone, new = ids(left.blocks), ids(right.blocks)
            assert moved == TipMoved(new[-1], 3, undone=gone[::-1], applied=new)
            assert back == [admitted(first), admitted(second)]
            # In the order of their nonces, and for the next block.
            assert world.node.mempool.selection(world.height + 1) == [first, second]
        async with node_world(tmp_path, mines=False) as world:
            assert waiting(world) == {first.txid, second.txid}

    go(main)


def test_what_is_in_both_branches_does_not_return(tmp_path: Path) -> None:
    async def main() -> None:
        left, right = Chain(), Chain()
        both, lost = left.signed(COIN, 0), left.signed(2 * COIN, 1)
        left.grow(both, lost)
        right.grow(both, step_ms=1)
        right.grow(step_ms=1)
        async with node_world(tmp_path, mines=False) as world:
            await take(world, *left.blocks, *right.blocks)
            assert waiting(world) == {lost.txid}

    go(main)


def test_a_block_that_left_and_cannot_be_read_stops_no_change_of_chain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        left, right = Chain(), Chain()
        first, second = left.signed(COIN, 0), left.signed(2 * COIN, 1)
        left.grow(first)
        left.grow(second)
        for _ in range(3):
            right.grow(step_ms=1)
        async with node_world(tmp_path, mines=False) as world:
            await take(world, *left.blocks, *right.blocks[:2])
            content = world.node.manager.known.content
            damaged = left.blocks[1].header.block_id

            def read(block_id: BlockId) -> ReadBlock:
                if block_id == damaged:
                    raise SideBlockError(tmp_path / "side", "its checksum is wrong")
                return content(block_id)

            world.node.manager.known.content = read  # type: ignore[method-assign]
            await take(world, right.blocks[2])
            assert world.node.chain.tip == right.blocks[2].header.block_id
            assert waiting(world) == {first.txid}
            assert f"what block {damaged.hex()[:16]} held does not wait again" in caplog.text

    go(main)


def test_no_more_is_given_back_than_a_mempool_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        left, right = Chain(), Chain()
        sent = [left.signed(COIN, nonce) for nonce in range(3)]
        for one in sent:
            left.grow(one)
        for _ in range(4):
            right.grow(step_ms=1)
        async with node_world(tmp_path, mines=False) as world:
            await take(world, *left.blocks)
            pool = world.node.mempool.pool
            two = len(sent[0].to_bytes()) + len(sent[1].to_bytes())
            small = replace(pool.statistics(), fee_limit=two, call_limit=0)
            monkeypatch.setattr(pool, "statistics", lambda: small)
            await take(world, *right.blocks)
            # The lowest first: what follows them needs their nonces.
            assert waiting(world) == {sent[0].txid, sent[1].txid}
            assert "held more than the mempool has room for" in caplog.text

    go(main)


def test_transactions_of_the_deepest_branch_that_can_be_left_return(tmp_path: Path) -> None:
    """The longer branch leaves the shorter one behind the undo depth in the same step."""
    depth = 3
    limits = replace(PARAMS.limits, undo_depth=depth, pruning_depth=depth + 1)
    params = replace(PARAMS, limits=limits)

    async def main() -> None:
        left, right = Chain(params), Chain(params)
        sent = [left.signed(COIN, nonce) for nonce in range(depth)]
        for one in sent:
            left.grow(one)
        for _ in range(depth + 1):
            right.grow(step_ms=1)
        async with node_world(tmp_path, params, mines=False) as world:
            await take(world, *left.blocks, *right.blocks)
            assert world.node.chain.tip == right.blocks[-1].header.block_id
            assert waiting(world) == {one.txid for one in sent}

    go(main)


def test_the_journal_is_rewritten_when_it_is_mostly_about_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("esper.mempool.journal._ROOM_TO_GROW", 1000)

    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            sent = [await world.send(ALICE, pay(BOB)) for _ in range(4)]
            stays = await world.send(BOB, pay(CAROL, COIN))
            file = tmp_path / JOURNAL_FILE
            assert file.stat().st_size == journal_bytes(*sent, stays)
            await world.others_turn(*sent)
            assert file.stat().st_size == journal_bytes(stays)
            # And it is written on behind.
            more = await world.send(BOB, pay(CAROL, COIN))
            assert file.stat().st_size == journal_bytes(stays, more)

    go(main)


def test_the_same_one_again_is_no_news(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            sent = await world.send(ALICE, pay(BOB))
            size = (tmp_path / JOURNAL_FILE).stat().st_size
            with world.node.events.subscribe(NodeEvent) as told:
                again = await world.node.mempool.submit(sent.to_bytes())
                assert await heard(told) == []
            assert (again.txid, again.replaced) == (sent.txid, None)
            assert (tmp_path / JOURNAL_FILE).stat().st_size == size

    go(main)


def test_a_replacement_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            with world.node.events.subscribe(NodeEvent) as told:
                first = await world.send(ALICE, pay(BOB))
                second = world.signed(ALICE, pay(CAROL), nonce=first.nonce, fee=2 * first.fee)
                taken = await world.node.mempool.submit(second.to_bytes())
                [came, left, took] = await heard(told)
            assert (taken.txid, taken.replaced) == (second.txid, first.txid)
            assert (came, took) == (admitted(first), admitted(second, replaced=first.txid))
            assert isinstance(left, TransactionGone)
            assert (left.txid, left.why) == (first.txid, Departure.REPLACED)
            assert "replaced" in (left.reason or "")
            assert waiting(world) == {second.txid}

    go(main)


def test_what_leaves_a_full_mempool_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for one payment alone.
    monkeypatch.setattr("esper.node.running_node.MIB", 8_000)

    async def main() -> None:
        async with node_world(tmp_path, mines=False, mempool_mib=1) as world:
            cheap = await world.send(ALICE, pay(BOB))
            dear = world.signed(BOB, pay(CAROL), fee=4 * cheap.fee)
            with world.node.events.subscribe(NodeEvent) as told:
                await world.node.mempool.submit(dear.to_bytes())
                [left, came] = await heard(told)
            assert isinstance(left, TransactionGone)
            assert (left.txid, left.why) == (cheap.txid, Departure.EVICTED)
            assert (left.rule, left.reason) == (
                None,
                world.node.mempool.pool.dropped_reason(cheap.txid),
            )
            assert came == admitted(dear, evicted=(cheap.txid,))

    go(main)


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda _: b""]
)
def test_what_is_refused_leaves_no_trace(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    async def main() -> None:
        async with node_world(tmp_path, mines=False) as world:
            data = spoil(world.signed(ALICE, pay(BOB)).to_bytes())
            with pytest.raises((TransactionViolation, PolicyError)):
                await world.node.mempool.submit(data)
            assert waiting(world) == set()
            file = tmp_path / JOURNAL_FILE
            assert file.stat().st_size == journal_bytes()

    go(main)


def test_calls_that_are_answered_already_are_not_given_again(tmp_path: Path) -> None:
    params = node_params()
    folder = copied(grown_datadir(tmp_path / "g", params), tmp_path / "n")

    async def main() -> None:
        async with node_world(folder, params, mines=False) as world:
            ids = await world.send_calls(50)
            assert waiting(world) == set(ids)
            chain = world.node.chain.view.context
            again = await world.node.mempool.next_calls(chain, frozenset())
            assert [one.txid for one in again] == ids
            assert await world.node.mempool.next_calls(chain, frozenset(ids)) == []

    go(main)
