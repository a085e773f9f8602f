"""A miner's desk for proofs, and evidence against a gateway of Bob's; all rules are real.

The chain is one state: genesis' with Bob's stake. The model is a stand-in, and its proofs are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import trio

from esper.consensus.audits.evidence import evidence_claim
from esper.consensus.call_groups import AUDIT, CallGroup, ProvenCall
from esper.consensus.context import ChainContext
from esper.consensus.execution import genesis_state
from esper.consensus.ports import WorkClaim
from esper.crypto.signing import KeyPair
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.evidence import evidence_bytes
from esper.mempool.errors import PolicyError
from esper.mempool.pool import Mempool
from esper.node.mining.block_draft import BlockDraft
from esper.node.mining.proves.desk import ProveDesk
from esper.node.mining.proves.errors import ProveDeskError
from esper.node.mining.proves.files import ProveFiles
from esper.node.mining.proves.waiting import HandedIn
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId, Txid
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.payload import Output
from esper.vm.stake import Stake
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.vm.view import Overlay
from tests.support.chain_world import funded_network
from tests.support.evidence_cases import Accusing, accusing
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier
from tests.support.node.ready_world import Waiting
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make, sign

T = TypeVar("T")
PARAMS = funded_network()
CHAIN = ChainContext.genesis(PARAMS)
MODEL = PARAMS.model
ROOM = 4096


def begun() -> State:
    """Bob, whose gateway it is, has staked, and Carol can pay fees."""
    state = genesis_state(PARAMS, CHAIN.genesis_hash)
    overlay = Overlay(state)
    ledger = Ledger(overlay)
    Stake(100 * COIN).apply(address(BOB), ledger, None, None)  # type: ignore[arg-type]
    ledger.set_account(address(CAROL), replace(ledger.account(address(CAROL)), balance=COIN))
    return state.with_changes(overlay.changes())


def lie(number: int = 0) -> Accusing:
    """Evidence about one of many false answers."""
    prompt = (1, 40, 41, 42 + number)
    (answer,) = FakeInference(MODEL).answer([prompt], 6, 1)
    wrong = (*answer.tokens[:2], answer.tokens[2] + 1, 5, 6, 7)
    plain = accusing(
        *(BOB, 7),
        genesis_hash=CHAIN.genesis_hash,
        model_id=MODEL.model_id,
        prompt=prompt,
        answer=wrong,
    )
    shown = ShownAnswer(answer.tokens, answer.top)
    return Accusing(plain.target, replace(plain.body, answer=shown))


def accused(
    evidence: Accusing, key: KeyPair = ALICE, nonce: int = 0, room: int = ROOM, **parts: Any
) -> tuple[Transaction, CallGroup]:
    """A signed transaction with its honest group."""
    prove = make(key, evidence.prove(room), nonce, **parts)
    transaction = sign(key, prove, CHAIN.genesis_hash)
    claim = evidence_claim(
        CHAIN.genesis_hash,
        address(key),
        evidence.target,
        evidence_bytes(evidence.body),
        evidence.body,
    )
    proof = FakeProver().prove(claim)
    return transaction, group_of(transaction.txid, proof)


def pay(nonce: int) -> Transaction:
    transfer = make(ALICE, Transfer((Output(address(BOB), COIN),)), nonce)
    return sign(ALICE, transfer, CHAIN.genesis_hash)


def group_of(txid: Txid, proof: bytes) -> CallGroup:
    return CallGroup(AUDIT, MODEL.model_id, (ProvenCall(txid, ()),), proof)


class CountingVerifier:
    """The stand-in's, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.asked += 1
        FakeVerifier(MODEL).verify(claim, proof)


class ProveWorld:
    """A desk beside a chain that stands still."""

    def __init__(self, datadir: Path | None = None) -> None:
        """``datadir`` is where what waits is kept; None: nowhere."""
        self.state = begun()
        self.taken_up = 0
        """What a start found waiting."""
        self.handed = HandedIn()
        mempool: Any = SimpleNamespace(pool=Mempool(PARAMS))
        self.mempool = mempool
        self.events = Waiting()
        self.verifier = CountingVerifier()
        self.during: Callable[[], Any] = lambda: None
        """What happens while a thread checks."""
        chain: Any = self
        files = None if datadir is None else ProveFiles(datadir)
        self.desk = ProveDesk(self.handed, chain, mempool, self.verifier, self.events, files)

    @property
    def view(self) -> Any:
        return SimpleNamespace(context=CHAIN, state=self.state, params=PARAMS)

    async def in_thread(self, work: Callable[[Any], T]) -> T:
        await trio.lowlevel.checkpoint()
        found = work(self.view)
        self.during()
        return found

    async def taken(
        self, transaction: Transaction, *groups: CallGroup | bytes, **how: Any
    ) -> Txid | None:
        prove = transaction.payload
        assert isinstance(prove, Prove)
        data = [one if isinstance(one, bytes) else one.to_bytes() for one in groups]
        return await self.desk.take(transaction, prove, data, **how)

    def take(self, transaction: Transaction, *groups: CallGroup | bytes, **how: Any) -> Txid | None:
        async def main() -> Txid | None:
            return await self.taken(transaction, *groups, **how)

        return trio.run(main)

    def refused(self, transaction: Transaction, *groups: CallGroup | bytes, **how: Any) -> str:
        """The name of the rule or refusal; empty if it is taken."""
        try:
            self.take(transaction, *groups, **how)
        except (ProveDeskError, RuleViolation, PolicyError) as refusal:
            return type(refusal).__name__
        return ""

    def block(self, *before: Transaction) -> tuple[list[Transaction], list[CallGroup]]:
        """What an own block would have of what waits."""
        draft = BlockDraft(CHAIN, self.state, address(ALICE))
        for one in before:
            draft.add(one)
        groups = self.handed.take(CHAIN, self.state, draft)
        return draft.transactions, groups


def moved(
    world: ProveWorld,
    *,
    applied: Any = (),
    undone: Any = (),
    height: int = 1,
) -> None:
    """The chain has moved by blocks of these transactions."""
    contents = {BlockId(bytes([1, n])): one for n, one in enumerate(applied)}
    left = {BlockId(bytes([2, n])): one for n, one in enumerate(undone)}
    both = {**contents, **left}
    change: Any = SimpleNamespace(
        view=SimpleNamespace(context=SimpleNamespace(height=height), params=PARAMS),
        arrival=SimpleNamespace(applied=tuple(contents), undone=tuple(left)),
        content=lambda block_id: SimpleNamespace(
            content=SimpleNamespace(transactions=both[block_id])
        ),
    )
    world.handed.prepare(change)()
