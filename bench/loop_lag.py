"""Measure how late the event loop is while full blocks come in and a deep branch takes over.

python -m bench.loop_lag [--depth 20] [--transfers 200] [--pool-mib 64]

A node without processes and sockets: chain, history and a full mempool as a node opens them. Blocks
of transfers are imported one after the other; then a branch that is one block longer undoes them
all. Meanwhile one task measures how late its millisecond is, another reads as RPC does. Prints one
JSON object; times in milliseconds.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from bench.chain_import import FAR_MS, FEE, KEYS_PER_BLOCK, ROOT, network, transfer
from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.template import BlockPlan
from esper.crypto.signing import KeyPair, key_from_seed
from esper.mempool.call_queue import CallPolicy
from esper.mempool.errors import MempoolFullError
from esper.mempool.journal import MempoolJournal
from esper.mempool.policy import MempoolPolicy
from esper.mempool.pool import Mempool
from esper.model import load_model
from esper.model.prompts import read_bank
from esper.node.calls.call_book import CallBook
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_service import ChainService
from esper.node.chain.history import ChainHistory
from esper.node.chain.opening import open_chain
from esper.node.datadir import DataDirectory
from esper.node.events import Events
from esper.node.interpreter import share_interpreter
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.account_views import AccountViews
from esper.node.views.chain_views import ChainViews
from esper.node.views.status_views import StatusViews
from esper.node.views.sync_state import SyncState
from esper.node.workers.native_work import NativeInference, NativeProver, NativeVerifier
from esper.node.workers.search import PromptSource
from esper.primitives.address import Address
from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.storage.store_options import StoreOptions
from esper.vm.transaction import Transaction
from tests.support.plain_miner import Miner

MIB = 1 << 20
WAITING_PER_SENDER = 30
"""Transactions of each sender in the mempool: a few less than it takes."""
ENTRY_BYTES = 4_400
"""About what a waiting transfer counts."""
TICK_S = 0.001


def keys(count: int, what: str) -> list[KeyPair]:
    """So many key pairs."""
    seeds = (hashlib.sha3_256(f"{what} {number}".encode()).digest() for number in range(count))
    return [key_from_seed(1, seed) for seed in seeds]


class Quarry:
    """Mines blocks of transfers on any chain."""

    def __init__(self, params: NetworkParameters) -> None:
        model = load_model(ROOT / "genesis" / "model")
        bank = read_bank(ROOT / "prompt_bank" / "bank.json")
        self._params = params
        self._verifier = NativeVerifier()
        self._miner = Miner(
            params,
            inference=NativeInference(model, 2),
            prover=NativeProver(model),
            bank=PromptSource.of(bank.prompts, params.model),
            payee=bytes([1]) + bytes(32),
            vrf_secret=bytes(32),
        )

    def block(
        self, chain: ProvenChain, senders: list[KeyPair], shift_ms: int, *, with_key: bool = False
    ) -> tuple[ProvenChain, Block]:
        """A block in which every sender pays the next one."""
        receivers = [*senders[1:], senders[0]]
        plan = BlockPlan(
            tuple(
                transfer(key, chain, to.address.to_bytes(), with_key=with_key)
                for key, to in zip(senders, receivers, strict=True)
            )
        )
        time_ms = self._params.genesis_time_ms + 10_000 * (chain.context.height + 1) + shift_ms
        found = self._miner.mine(chain.context, chain.state, lambda: time_ms, plan)
        if found is None:
            raise RuntimeError("mining was not asked to stop")
        return extend(chain, found.block, self._verifier, now_ms=FAR_MS), found.block


def waiting(senders: list[KeyPair], chain: ProvenChain, count: int) -> list[Transaction]:
    """What fills a mempool: transfers of these senders, each with its following nonces."""
    found: list[Transaction] = []
    for number in range(WAITING_PER_SENDER):
        for key in senders:
            if len(found) == count:
                return found
            first = transfer(key, chain, key.address.to_bytes(), with_key=number == 0)
            unsigned = replace(first, nonce=first.nonce + number, fee=FEE + number)
            signature = key.sign(unsigned.signing_digest(chain.context.genesis_hash))
            found.append(replace(unsigned, signature=signature))
    return found


class Watch:
    """How late the loop is, and how long reads take."""

    def __init__(self, reads: dict[str, Callable[[], Awaitable[object]]]) -> None:
        self.late: list[float] = []
        self.read: dict[str, list[float]] = {name: [] for name in reads}
        self._reads = reads

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ticks)
            for name in self._reads:
                nursery.start_soon(self._reading, name)

    async def _ticks(self) -> None:
        while True:
            began = time.perf_counter()
            await trio.sleep(TICK_S)
            self.late.append(1000 * (time.perf_counter() - began - TICK_S))

    async def _reading(self, name: str) -> None:
        while True:
            began = time.perf_counter()
            await self._reads[name]()
            self.read[name].append(1000 * (time.perf_counter() - began))
            await trio.sleep(0.01)


def figures(values: list[float]) -> dict[str, float]:
    """Median, p99 and the greatest."""
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 2),
        "max": round(ordered[-1], 2),
        "count": len(ordered),
    }


async def watched(
    reads: dict[str, Callable[[], Awaitable[object]]], work: Callable[[], Awaitable[object]]
) -> dict[str, object]:
    """Figures of the loop while some work is done."""
    watch = Watch(reads)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        began = time.perf_counter()
        await work()
        took = time.perf_counter() - began
        nursery.cancel_scope.cancel()
    return {
        "seconds": round(took, 2),
        "late": figures(watch.late),
        **{name: figures(times) for name, times in watch.read.items() if times},
    }


async def measured(
    params: NetworkParameters,
    folder: Path,
    stem: list[Block],
    left: list[Block],
    right: list[Block],
    pool_of: list[Transaction],
    pool_mib: int,
) -> dict[str, object]:
    """Import, then the change of chain."""
    directory = DataDirectory(folder, params)

    # Rivals that come far apart draw no lots: the last block alone makes the branch the chain.
    times_ms = itertools.count(FAR_MS, 10_000)

    def clock() -> int:
        return next(times_ms)

    with ExitStack() as closing:
        manager = closing.enter_context(
            open_chain(
                directory,
                NativeVerifier(),
                bytes(32),
                clock,
                prune=False,
                options=StoreOptions(undo_depth=params.limits.undo_depth, reserve_bytes=0),
            )
        )
        history = ChainHistory(manager.store, params)
        closing.callback(history.close)
        chain = ChainService(manager, clock)
        room = pool_mib * MIB
        pool = Mempool(params, MempoolPolicy(fee_bytes=room, call_bytes=room // 4))
        journal = MempoolJournal(folder / "mempool.dat", params.limits.transaction_bytes)
        mempool = MempoolService(
            chain, pool, journal, params, clock, CallPolicy(), CallBook(), Events()
        )
        mempool.load(manager)
        closing.callback(mempool.close)
        chain.follow(history)
        chain.follow(mempool)
        for block in stem:
            await chain.submit(BlockBytes.of(block))
        for transaction in pool_of:
            try:
                await mempool.submit(transaction.to_bytes())
            except MempoolFullError:
                break
        waited = len(pool)
        texts = TextService({})
        someone = Address.from_bytes(pool_of[0].sender).to_text(params.address_prefix)
        sync = SyncState(clock)
        accounts = AccountViews(chain, mempool, history, texts, params, sync)
        blocks = ChainViews(chain, mempool, history, texts, params, sync)
        statuses = StatusViews(chain, mempool, texts, sync, None)
        reads: dict[str, Callable[[], Awaitable[object]]] = {
            "status": partial(statuses.status, s.NoParams()),
            "account": partial(accounts.account, s.AccountParams(address=someone)),
            "block": partial(blocks.block, s.BlockParams(height=len(stem))),
        }

        async def bring(branch: list[Block]) -> None:
            for block in branch:
                await chain.submit(BlockBytes.of(block))

        quiet = await watched(reads, partial(trio.sleep, 2.0))
        imported = await watched(reads, partial(bring, left))
        # All but the last wait beside the chain.
        await bring(right[:-1])
        changed = await watched(reads, partial(bring, right[-1:]))
        if chain.tip != right[-1].header.block_id:
            raise RuntimeError("the longer branch is not the chain")
        return {
            "mempool_transactions": waited,
            "still_waiting": len(pool),
            "quiet": quiet,
            "import": imported,
            "change_of_chain": changed,
        }


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--transfers", type=int, default=200)
    parser.add_argument("--pool-mib", type=int, default=64)
    options = parser.parse_args()
    count = options.pool_mib * MIB // ENTRY_BYTES
    payers = keys(options.transfers, "payer")
    waiters = keys(count // WAITING_PER_SENDER + 1, "waiter")
    params = network([*payers, *waiters])
    limits = replace(params.limits, undo_depth=options.depth + 2, pruning_depth=4 * options.depth)
    params = replace(params, limits=limits)
    quarry = Quarry(params)
    chain, stem = ProvenChain.genesis(params), []
    for at in range(0, len(payers), KEYS_PER_BLOCK):
        chain, block = quarry.block(chain, payers[at : at + KEYS_PER_BLOCK], 0, with_key=True)
        stem.append(block)
    branches = []
    for length, shift_ms in ((options.depth, 1), (options.depth + 1, 2)):
        end, blocks = chain, list[Block]()
        for _ in range(length):
            end, block = quarry.block(end, payers, shift_ms)
            blocks.append(block)
        branches.append(blocks)
    left, right = branches
    pool_of = waiting(waiters, chain, count)
    with tempfile.TemporaryDirectory() as temporary:
        run = partial(
            measured, params, Path(temporary), stem, left, right, pool_of, options.pool_mib
        )
        share_interpreter()
        print(json.dumps(trio.run(run), indent=1))


if __name__ == "__main__":
    main()
