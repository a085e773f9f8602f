"""Transactions that wait must not keep a node from mining."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from esper.consensus.block_isolation import read_body
from esper.crypto.signing import KeyPair
from esper.mempool.errors import NonceTooFarError
from esper.mempool.policy import DEFAULT_POLICY
from esper.node.mining import mining_service
from esper.node.mining.node_mining import NodeMining
from esper.node.workers.search import SearchJob
from esper.node.workers.worker_messages import Found, Progress
from esper.primitives.ids import BlockId, Txid
from esper.vm.payload import Output
from esper.vm.transaction import decode_transaction
from esper.vm.transfer import Transfer
from tests.support.crash.crash_world import GENESIS, PARAMS, Node, open_node
from tests.support.node.fake_workers import FakeSearcher
from tests.support.vm_world import ALICE, BOB, COIN, address, make, sign

ENOUGH_S = 60
FLOOD = 24
PAY = Transfer((Output(address(BOB), COIN),))


def signed(key: KeyPair, nonce: int) -> bytes:
    return sign(key, make(key, PAY, nonce), GENESIS).to_bytes()


def transactions(node: Node, block_id: BlockId) -> list[Txid]:
    """Ids of a block's transactions, its coinbase apart."""
    body = read_body(node.manager.known.block(block_id).body, PARAMS.limits)
    return [decode_transaction(data, 1 << 20).txid for data in body.transactions[:-1]]


def run(datadir: Path, script: Callable[[Node, NodeMining], Awaitable[None]]) -> None:
    """Let a node mine beside a script."""

    async def main() -> None:
        with open_node(datadir) as node:
            mining = node.mining()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(mining.run)
                with trio.fail_after(ENOUGH_S):
                    await script(node, mining)
                nursery.cancel_scope.cancel()

    trio.run(main)


def test_transactions_far_ahead_of_their_nonce_do_not_stop_mining(tmp_path: Path) -> None:
    aside = DEFAULT_POLICY.aside_per_sender

    async def script(node: Node, mining: NodeMining) -> None:
        for nonce in range(7, 7 + aside):
            await node.mempool.submit(signed(ALICE, nonce))
        # Each waits for ever, and no sender fills the mempool with such.
        for nonce in range(7 + aside, 12 + aside):
            with pytest.raises(NonceTooFarError):
                await node.mempool.submit(signed(ALICE, nonce))
        [first, second] = await mining.control.generate(2, None)
        assert transactions(node, first) == transactions(node, second) == []
        assert len(node.mempool.pool) == aside
        # What is in its turn gets its turn.
        honest = await node.mempool.submit(signed(ALICE, 0))
        [block_id] = await mining.control.generate(1, None)
        assert transactions(node, block_id) == [honest.txid]
        assert len(node.mempool.pool) == aside

    run(tmp_path, script)


def test_a_flood_of_sound_transactions_does_not_start_the_search_anew_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mining_service, "REFRESH_S", 1e6)
    may_find, begun = trio.Event(), trio.Event()
    jobs: list[SearchJob | None] = []

    class Slow(FakeSearcher):
        """Finds nothing until it is let."""

        def search(self, job: SearchJob | None) -> None:
            jobs.append(job)
            if job is not None:
                begun.set()
            super().search(job)

        async def _step(
            self, job: SearchJob, events: trio.MemorySendChannel[Found | Progress]
        ) -> None:
            await may_find.wait()
            await super()._step(job, events)

    monkeypatch.setattr("tests.support.crash.crash_world.FakeSearcher", Slow)

    async def script(node: Node, mining: NodeMining) -> None:
        found: list[BlockId] = []

        async def generate() -> None:
            found.extend(await mining.control.generate(1, None))

        # A searcher that has just started is told its job again.
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(generate)
            # The template is made in a thread: what comes before it is done may be in it.
            await begun.wait()
            sent = [await node.mempool.submit(signed(ALICE, nonce)) for nonce in range(FLOOD)]
            await trio.testing.wait_all_tasks_blocked()
            assert len(jobs) == 1
            may_find.set()
        # They are not forgotten: the next tip takes them in.
        assert transactions(node, found[0]) == []
        [block_id] = await mining.control.generate(1, None)
        assert transactions(node, block_id) == [one.txid for one in sent]

    run(tmp_path, script)
