"""Rotations of models on real chains of fake work, without votes: a plan says what blocks confirm.

A block is named in the plan by its payee and height, which is what its execution knows of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.execution import BlockExecution, execute_block
from esper.consensus.ports import WorkClaim
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.schedule import Activation, Reversal, Scheduled, Settlement
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.changes.arrival import Arrival
from esper.node.chain.store_state import genesis_of, replay_of
from esper.primitives.ids import ModelId
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.store_options import StoreOptions
from tests.support.chain_world import funded_network
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.support.plain_miner import Miner, standing
from tests.support.vm_world import ALICE, BOB, CAROL, MINER, address

UNDO = 4
HORIZON = 5
FAR = 1 << 60
"""A clock so late that no block is from the future."""
STEM, LEFT, RIGHT, OTHER = (address(key) for key in (MINER, ALICE, BOB, CAROL))
"""Payees, which tell branches apart."""


def rotating_network(undo: int = UNDO, horizon: int = HORIZON) -> NetworkParameters:
    params = funded_network()
    limits = replace(params.limits, undo_depth=undo, pruning_depth=undo + 1)
    governance = replace(params.governance, horizon=horizon)
    return replace(params, limits=limits, governance=governance)


PARAMS = rotating_network()
OLD = PARAMS.model
NEW = replace(OLD, model_id=ModelId(bytes([1]) * 64))
NEWER = replace(OLD, model_id=ModelId(bytes([2]) * 64))
TIER_1 = replace(OLD, model_id=ModelId(bytes([3]) * 64), tier=1)

Plan = dict[tuple[bytes, int], tuple[Scheduled, ...]]
"""Payee and height of a block, and what it confirms."""


def activation(height: int, model: ModelEntry, share: int = 0, omega: int = ONE) -> Scheduled:
    return Scheduled(height, Activation(Entry(model, omega, Puzzle.of(PARAMS.puzzle)), share))


def settlement(height: int, model: ModelEntry) -> Scheduled:
    return Scheduled(height, Settlement(model))


def reversal(height: int, model: ModelEntry, *, new_tier: bool = False) -> Scheduled:
    return Scheduled(height, Reversal(model, new_tier))


@contextmanager
def confirming(plan: Plan) -> Iterator[None]:
    """Blocks confirm what the plan says, wherever they are executed."""

    def execute(state: Any, work: Any, transactions: Any, at: Any) -> BlockExecution:
        execution = execute_block(state, work, transactions, at)
        return replace(execution, confirmed=plan.get((at.payee, at.height), ()))

    with (
        patch("esper.consensus.body_rules.execute_block", execute),
        patch("esper.node.chain.store_state.execute_block", execute),
    ):
        yield


class AnyFake:
    """The fake verifier of all fake models, which differ in nothing but their names."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        FakeVerifier(OLD).verify(claim, proof)


@dataclass(frozen=True)
class Grown:
    """A chain with the blocks that it was grown by, the lowest first."""

    chain: ProvenChain
    blocks: tuple[Block, ...] = ()

    @property
    def height(self) -> int:
        return self.chain.context.height

    def mined(self, payee: bytes, model: ModelEntry = OLD, params: Any = PARAMS) -> Block:
        """A block on top, by the rules of this chain."""
        miner = Miner(
            params,
            inference=FakeInference(model),
            prover=FakeProver(),
            bank=prompt_source(params),
            payee=payee,
            vrf_secret=bytes(32),
            attempts_per_call=1,
            model=model,
        )
        context = self.chain.context
        time_ms = params.genesis_time_ms + 10_000 * (context.height + 1)
        return miner.mine(context, self.chain.state, standing(time_ms)).block

    def on(self, payee: bytes, models: Sequence[ModelEntry], params: Any = PARAMS) -> Grown:
        """With blocks of these models on top; only these are its blocks."""
        grown = Grown(self.chain)
        for model in models:
            block = grown.mined(payee, model, params)
            chain = extend(grown.chain, block, AnyFake(), now_ms=FAR)
            grown = Grown(chain, (*grown.blocks, block))
        return grown


def genesis(params: NetworkParameters = PARAMS) -> Grown:
    return Grown(ProvenChain.genesis(params))


@dataclass
class Node:
    """A manager on a data directory that can be closed and opened again."""

    datadir: Path
    params: NetworkParameters = PARAMS
    now_ms: int = FAR
    manager: ChainManager = field(init=False)
    store: ChainStore = field(init=False)

    def __post_init__(self) -> None:
        self.open()

    @property
    def options(self) -> StoreOptions:
        undo = self.params.limits.undo_depth
        return StoreOptions(undo_depth=undo, reserve_bytes=0, segment_bytes=1 << 16)

    def open(self) -> None:
        self.store = ChainStore(
            self.datadir, genesis_of(self.params), replay_of(self.params), self.options
        )
        self.manager = ChainManager(
            self.store, self.params, AnyFake(), secret=bytes(32), now_ms=self.now_ms
        )

    def restart(self) -> None:
        self.store.close()
        self.open()

    def submit(self, *blocks: Block) -> Arrival:
        """The last one's; they arrive too far apart to draw lots."""
        for block in blocks:
            self.now_ms += 10_000
            arrival = self.manager.submit(BlockBytes.of(block), now_ms=self.now_ms)
        return arrival

    def stands_on(self, chain: ProvenChain) -> bool:
        same = self.manager.context == chain.context
        return same and dict(self.store.state) == dict(chain.state.tree)
