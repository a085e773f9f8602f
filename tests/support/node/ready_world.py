"""A miner whose payee's key is elsewhere, and a model that waits for its check; all rules are real.

The chain is one state: genesis' with a live proposal, and rewards of two miners.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeVar

from esper.consensus.context import ChainContext
from esper.consensus.execution import genesis_state
from esper.crypto.signing import KeyPair
from esper.dao.bodies import MODEL_BODY, ModelBody
from esper.dao.records import Live
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.steps import Step
from esper.mempool.pool import Mempool
from esper.node.events import Events, NodeEvent
from esper.node.mining.handed_proves import HandedProves
from esper.node.mining.ready_desk import ReadyDesk
from esper.node.mining.ready_proofs import ReadyProofs, prove_of
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob, rehearse
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId, Txid
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.payload import Payload
from esper.vm.records import PendingReward
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay
from tests.support.chain_world import funded_network
from tests.support.dao_proposals import proposal
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.support.vm_world import ALICE, BOB, address, make, sign

T = TypeVar("T")
PARAMS = funded_network()
CHAIN = ChainContext.genesis(PARAMS)
FIRST, SECOND = Txid(bytes([7]) * 64), Txid(bytes([9]) * 64)
SEED = bytes([8]) * 64
REWARD = 3
"""Height of Alice's reward; the next is Bob's."""


def body(name: int = 0) -> ModelBody:
    """The fake model under another name."""
    entry = replace(PARAMS.model, model_id=ModelId(bytes([name]) * 64)) if name else PARAMS.model
    puzzle = Puzzle.of(PARAMS.puzzle)
    return ModelBody(entry, ONE, 0, puzzle, b"", bytes(64), bytes(64), (), b"", b"", b"")


def live(number: int, step: Step = Step.CHECK, subject: int = 1) -> Live:
    return Live(number, (FIRST, SECOND)[number - 1], subject, 0, step, 40)


def state_with(*lives: Live, rewards: tuple[int, ...] = (REWARD,)) -> State:
    """Genesis' with these proposals, Alice's rewards, and one of Bob."""
    state = genesis_state(PARAMS, CHAIN.genesis_hash)
    overlay = Overlay(state)
    ledger = Ledger(overlay)
    records = DaoLedger(ledger)
    for one in lives:
        made = proposal(number=one.number, body=encode(MODEL_BODY, body()), seed=SEED, active=60)
        records.open(one, made)
    for height in rewards:
        ledger.add_reward(height, PendingReward(address(ALICE), 0))
    ledger.add_reward(REWARD + 1, PendingReward(address(BOB), 0))
    return state.with_changes(overlay.changes())


def rehearsed(
    proposal: Txid = FIRST, key: KeyPair = ALICE, reward_height: int = REWARD
) -> Rehearsal:
    job = RehearsalJob(
        entry=Entry(body().entry, ONE, body().puzzle),
        network=PARAMS.puzzle,
        genesis_hash=CHAIN.genesis_hash,
        proposal=proposal,
        sender=address(key),
        drawn=SEED,
        reward_height=reward_height,
    )
    return rehearse(job, FakeInference(PARAMS.model), FakeProver(), prompt_source(PARAMS))


def signed(payload: Payload, key: KeyPair = ALICE, nonce: int = 0, **parts: Any) -> Transaction:
    return sign(key, make(key, payload, nonce, **parts), CHAIN.genesis_hash)


class Waiting(Events):
    """What was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[NodeEvent] = []

    def publish(self, event: NodeEvent) -> None:
        self.told.append(event)


class DeskWorld:
    """A desk of a miner to Alice, whose key is not here."""

    def __init__(self, *lives: Live, **how: Any) -> None:
        self.state = state_with(*(lives or (live(1),)), **how)
        self.handed = HandedProves()
        self.proofs = ReadyProofs(address(ALICE), self.handed.sign, self.handed)
        mempool: Any = SimpleNamespace(pool=Mempool(PARAMS))
        self.mempool = mempool
        self.events = Waiting()
        self.during: Callable[[], None] = lambda: None
        """What happens while a thread checks."""
        chain: Any = self
        verifier = FakeVerifier(PARAMS.model)
        self.desk = ReadyDesk(self.proofs, chain, mempool, verifier, self.events)

    @property
    def view(self) -> Any:
        return SimpleNamespace(context=CHAIN, state=self.state)

    async def in_thread(self, work: Callable[[Any], T]) -> T:
        found = work(self.view)
        self.during()
        return found

    def wait(self, proposal: Txid = FIRST, **how: Any) -> Prove:
        """A rehearsal waits; what is to be signed of it."""
        rehearsal = rehearsed(proposal, **how)
        self.proofs.waiting[proposal] = rehearsal
        return prove_of(proposal, rehearsal)
