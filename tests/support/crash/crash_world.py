"""A mining node on fake work for the crash tests, and what it meets from outside."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.genesis import genesis_hash
from esper.mempool.call_queue import CallPolicy
from esper.mempool.journal import MempoolJournal
from esper.mempool.pool import Mempool
from esper.node.calls.call_book import CallBook
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.chain.history import ChainHistory
from esper.node.chain.opening import open_chain
from esper.node.datadir import DataDirectory
from esper.node.events import Events
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.node_mining import MiningPlan, NodeMining
from esper.node.running_node import JOURNAL_FILE
from esper.node.workers.work_ports import Workers
from esper.primitives.params import NetworkParameters
from esper.storage.segments.segment_writer import Opener, open_for_append
from esper.storage.store_options import StoreOptions
from esper.vm.ledger import Ledger
from esper.vm.payload import Output
from esper.vm.stake import Stake
from esper.vm.state import State
from esper.vm.state_tree import StateTree
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay
from tests.support.chain_world import funded_network
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.support.node.fake_workers import FakeProverPort, FakeSearcher, OneCrew
from tests.support.plain_miner import Miner
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, address, make, sign

UNDO_DEPTH = 8
"""So shallow that a short chain outgrows it and old branches are forgotten."""
SENDERS = (ALICE, BOB)
SECRET = bytes(32)
RIVAL_SECRET = b"\1" * 32


def network() -> NetworkParameters:
    """Funded keys, and an undo depth that a few lives reach."""
    params = funded_network()
    limits = replace(params.limits, undo_depth=UNDO_DEPTH, pruning_depth=UNDO_DEPTH + 1)
    return replace(params, limits=limits)


PARAMS = network()
GENESIS = genesis_hash(PARAMS)
VERIFIER = FakeVerifier(PARAMS.model)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ahead(step_ms: int) -> int:
    return now_ms() + step_ms


@dataclass(frozen=True)
class Node:
    """The parts of a running node that its life is about."""

    directory: DataDirectory
    manager: ChainManager
    """For looks at a chain that stands still; changes go through ``chain``."""
    history: ChainHistory
    chain: ChainService
    mempool: MempoolService
    calls: CallBook
    events: Events

    def mining(self) -> NodeMining:
        """A miner whose processes are fakes; it mines what is asked for."""
        searcher = FakeSearcher(PARAMS, now_ms)
        workers = Workers(searcher, FakeProverPort(PARAMS), FakeProverPort(PARAMS))
        mining = NodeMining(
            MiningPlan(address(MINER), OneCrew(workers), threads=1, prove_threads=1, wanted=0),
            self.directory,
            self.chain,
            self.mempool,
            TextService({}),
            self.calls,
            self.events,
            SECRET,
            now_ms,
            stop=lambda: None,
        )
        self.chain.follow(mining.desk)
        return mining


@contextmanager
def open_node(
    datadir: Path, opener: Opener = open_for_append, calls: CallBook | None = None
) -> Iterator[Node]:
    """Chain, history and mempool as a node opens them, with small files and all proofs kept."""
    options = StoreOptions(
        segment_bytes=1 << 17, undo_depth=UNDO_DEPTH, reserve_bytes=0, opener=opener
    )
    directory = DataDirectory(datadir, PARAMS)
    with ExitStack() as closing:
        manager = closing.enter_context(
            open_chain(directory, VERIFIER, SECRET, now_ms, prune=False, options=options)
        )
        history = ChainHistory(manager.store, PARAMS)
        closing.callback(history.close)
        chain = ChainService(manager, now_ms)
        journal = MempoolJournal(datadir / JOURNAL_FILE, PARAMS.limits.transaction_bytes)
        calls, events = calls or CallBook(), Events()
        mempool = MempoolService(
            chain, Mempool(PARAMS), journal, PARAMS, now_ms, CallPolicy(), calls, events
        )
        mempool.load(manager)
        closing.callback(mempool.close)
        chain.follow(history)
        chain.follow(mempool)
        chain.tell(events.publish)
        yield Node(directory, manager, history, chain, mempool, calls, events)


class Surroundings:
    """What a node meets from outside: signed transactions, and branches that outgrow its chain."""

    def __init__(self, node: Node, chooser: random.Random) -> None:
        self._node, self._chooser = node, chooser
        self._rival = Miner(
            PARAMS,
            inference=FakeInference(PARAMS.model),
            prover=FakeProver(),
            bank=prompt_source(PARAMS),
            payee=address(CAROL),
            vrf_secret=RIVAL_SECRET,
            attempts_per_call=1,
        )
        tree = StateTree()
        for path, value in node.manager.store.state:
            tree = tree.put(path, value)
        self._history = [ProvenChain(node.manager.context, State(tree))]

    @property
    def deepest(self) -> int:
        """How many blocks a branch can leave behind."""
        return len(self._history) - 1

    async def transaction(self) -> Transaction:
        """A new one, with the first nonce that chain and mempool lack."""
        key = self._chooser.choice(SENDERS)
        sender = address(key)
        async with self._node.chain.standing_still() as view:
            known = Ledger(Overlay(view.state)).account(sender).nonce
            nonce = self._node.mempool.pool.next_nonce(sender, known)
        amount = 1 + self._chooser.randrange(COIN)
        payload = (
            Stake(amount)
            if self._chooser.random() < 0.3
            else Transfer((Output(address(CAROL), amount),))
        )
        return sign(key, make(key, payload, nonce), GENESIS)

    def follow(self, block: Block) -> None:
        """The node has grown by its own block."""
        self._history.append(extend(self._history[-1], block, VERIFIER, now_ms=now_ms()))

    def branch(self, depth: int) -> list[BlockBytes]:
        """Blocks of another miner that leave ``depth`` blocks behind; the last is the heavier."""
        chains = self._history[: len(self._history) - depth]
        blocks = []
        for step in range(depth + 1):
            at = chains[-1]
            found = self._rival.mine(at.context, at.state, partial(_ahead, step))
            blocks.append(BlockBytes.of(found.block))
            chains.append(extend(at, found.block, VERIFIER, now_ms=now_ms()))
        self._history = chains
        return blocks
