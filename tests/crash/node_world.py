"""A mining node on fake work for the crash tests, and what it meets from outside."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.genesis import genesis_hash
from esper.node.chain_manager import Arrival
from esper.node.datadir import DataDirectory
from esper.node.inbox import Inbox
from esper.node.miner import Miner
from esper.node.mining_node import MiningNode, NewBlock
from esper.node.wiring import WorkParts, open_mining_node
from esper.primitives.params import NetworkParameters
from esper.storage.segment_writer import Opener, open_for_append
from esper.storage.store_options import StoreOptions
from esper.vm.stake import Stake
from esper.vm.state import State
from esper.vm.state_tree import StateTree
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Output, Transfer
from tests.unit.chain_world import funded_network
from tests.unit.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.unit.vm_world import ALICE, BOB, CAROL, COIN, MINER, address, make, sign

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


def miner_of(payee: bytes, secret: bytes) -> Miner:
    return Miner(
        PARAMS,
        inference=FakeInference(PARAMS.model),
        prover=FakeProver(),
        bank=prompt_source(PARAMS),
        payee=payee,
        vrf_secret=secret,
        attempts_per_call=1,
    )


@contextmanager
def open_node(
    datadir: Path,
    opener: Opener = open_for_append,
    refusal: Callable[[bytes, str], None] = lambda txid, reason: None,
) -> Iterator[MiningNode]:
    """The node as the command line wires it, with small files and all proofs kept."""
    parts = WorkParts(FakeInference(PARAMS.model), FakeProver(), VERIFIER, prompt_source(PARAMS))
    options = StoreOptions(
        segment_bytes=1 << 17, undo_depth=UNDO_DEPTH, reserve_bytes=0, opener=opener
    )
    with open_mining_node(
        DataDirectory(datadir, PARAMS),
        parts,
        address(MINER),
        SECRET,
        now_ms,
        refusal,
        prune=False,
        options=options,
    ) as node:
        yield node


class Surroundings:
    """What a node meets from outside: signed transactions, and branches that outgrow its chain."""

    def __init__(self, datadir: Path, node: MiningNode, chooser: random.Random) -> None:
        self._node, self._chooser = node, chooser
        self._inbox = Inbox(datadir, PARAMS)
        self._rival = miner_of(address(CAROL), RIVAL_SECRET)
        tree = StateTree()
        for path, value in node.manager.store.state:
            tree = tree.put(path, value)
        self._history = [ProvenChain(node.manager.context, State(tree))]

    @property
    def deepest(self) -> int:
        """How many blocks a branch can leave behind."""
        return len(self._history) - 1

    def send(self) -> Transaction:
        """Leave a transaction in the inbox, with a nonce that the chain and the inbox lack."""
        sender = self._chooser.choice(SENDERS)
        waiting = [decode_transaction(data, 1 << 20) for _, data in self._inbox]
        taken = {found.nonce for found in waiting if found.sender == address(sender)}
        nonce = self._history[-1].state.account(address(sender)).nonce
        while nonce in taken:
            nonce += 1
        amount = 1 + self._chooser.randrange(COIN)
        payload = (
            Stake(amount)
            if self._chooser.random() < 0.3
            else Transfer((Output(address(CAROL), amount),))
        )
        signed = sign(sender, make(sender, payload, nonce), GENESIS)
        return self._inbox.put(signed.to_bytes())

    def follow(self, new: NewBlock) -> None:
        """The node has grown by its own block."""
        self._history.append(extend(self._history[-1], new.mined.block, VERIFIER, now_ms=now_ms()))

    def branch(self, depth: int) -> list[BlockBytes]:
        """Blocks of another miner that leave ``depth`` blocks behind; the last is the heavier."""
        chains = self._history[: len(self._history) - depth]
        blocks = []
        for step in range(depth + 1):
            at = chains[-1]
            found = self._rival.mine(at.context, at.state, lambda ahead=step: now_ms() + ahead)  # type: ignore[misc]
            assert found is not None
            blocks.append(BlockBytes.of(found.block))
            chains.append(extend(at, found.block, VERIFIER, now_ms=now_ms()))
        self._history = chains
        return blocks

    def arrive(self, block: BlockBytes) -> Arrival:
        """A block of somebody else reaches the node."""
        return self._node.manager.submit(block, now_ms=now_ms())
