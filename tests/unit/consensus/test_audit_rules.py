"""Proofs of readiness in a block: each rule by a block that breaks it, beside the honest one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from esper.consensus.audit_rules import check_audits
from esper.consensus.block import Coinbase
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import AUDIT, OWN_CALLS, CallGroup, ProvenCall
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute_block, genesis_state
from esper.consensus.ports import WorkClaim
from esper.crypto.signing import KeyPair
from esper.dao.bodies import MODEL_BODY, ModelBody
from esper.dao.ready import ReadyBody, read_ready, ready_bytes
from esper.dao.records import Live
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.steps import Step
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob, rehearse
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId, Txid
from esper.vm.context import ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.records import PendingReward
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay
from tests.support.chain_world import funded_network
from tests.support.dao_proposals import proposal
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.support.vm_world import ALICE, BOB, Unchecked, address, make

PARAMS = funded_network()
PROPOSAL = Txid(bytes([7]) * 64)
SEED = bytes([8]) * 64
BODY = ModelBody(
    PARAMS.model,
    ONE,
    0,
    Puzzle.of(PARAMS.puzzle),
    b"",
    bytes(64),
    bytes(64),
    (),
    b"",
    b"",
    b"",
)
CHAIN = ChainContext.genesis(PARAMS)


class Verifier:
    """The fake one, which has to be asked."""

    def __init__(self) -> None:
        self.claims: list[WorkClaim] = []
        self._fake = FakeVerifier(PARAMS.model)

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.claims.append(claim)
        self._fake.verify(claim, proof)


def begun() -> State:
    """The genesis state with a model that waits for its check, and rewards of two miners."""
    state = genesis_state(PARAMS, CHAIN.genesis_hash)
    overlay = Overlay(state)
    ledger = Ledger(overlay)
    records = DaoLedger(ledger)
    live = Live(1, PROPOSAL, 1, 0, Step.CHECK, 40)
    records.open(live, proposal(body=encode(MODEL_BODY, BODY), seed=SEED, active=60))
    for height, key in ((3, ALICE), (4, BOB)):
        ledger.add_reward(height, PendingReward(address(key), 0))
    return state.with_changes(overlay.changes())


STATE = begun()


def rehearsed(key: KeyPair, reward_height: int) -> Rehearsal:
    job = RehearsalJob(
        entry=Entry(BODY.entry, BODY.omega, BODY.puzzle),
        network=PARAMS.puzzle,
        genesis_hash=CHAIN.genesis_hash,
        proposal=PROPOSAL,
        sender=address(key),
        drawn=SEED,
        reward_height=reward_height,
    )
    return rehearse(job, FakeInference(PARAMS.model), FakeProver(), prompt_source(PARAMS))


ALICES = rehearsed(ALICE, 3)


def sent(key: KeyPair, rehearsal: Rehearsal, **fields: Any) -> Transaction:
    payload = replace(Prove(1, PROPOSAL, rehearsal.room, rehearsal.body), **fields)
    return make(key, payload, 0)


def context(**fields: Any) -> ExecutionContext:
    found = CHAIN.execution_context(STATE, address(BOB), (), Unchecked())
    return replace(found, **fields)


def rule_of(
    transactions: list[Transaction],
    groups: list[CallGroup],
    verifier: Verifier | None = None,
    **fields: Any,
) -> str:
    """The rule that a block of these breaks; empty for none."""
    at = context(**fields)
    execution = execute_block(STATE, CHAIN.tip_work, transactions, at)
    content = BlockContent(tuple(transactions), Coinbase(0, 1, bytes(33), 0), (), tuple(groups))
    try:
        check_audits(content, STATE, execution, at, verifier or Verifier())
    except Exception as violation:
        return type(violation).__name__
    return ""


def honest() -> tuple[Transaction, CallGroup]:
    transaction = sent(ALICE, ALICES)
    return transaction, ALICES.group(transaction.txid)


def test_who_ran_the_model_is_ready_for_it() -> None:
    transaction, group = honest()
    verifier = Verifier()
    assert rule_of([transaction], [group], verifier) == ""
    assert len(verifier.claims) == 1
    assert rule_of([], []) == ""


def test_two_in_one_block_each_with_its_own() -> None:
    first, group = honest()
    rehearsal = rehearsed(BOB, 4)
    second = sent(BOB, rehearsal)
    groups = [rehearsal.group(second.txid), group]
    assert rule_of([first, second], groups) == ""
    # Who answers differs, so the one's proof is of no use to the other.
    other = replace(group, calls=(ProvenCall(second.txid, ()),))
    mixed = replace(groups[0], calls=(ProvenCall(first.txid, ()),))
    assert rule_of([first, second], [other, mixed]) == "AuditProofViolation"


def test_how_many_a_block_may_hold() -> None:
    transaction, group = honest()
    rules = replace(PARAMS.governance, audits_per_block=0)
    genesis = replace(PARAMS, governance=rules)
    assert rule_of([transaction], [group], genesis=genesis) == "AuditLimitViolation"


BAD_GROUPS: list[Callable[[CallGroup], list[CallGroup]]] = [
    lambda group: [],
    lambda group: [group, group],
    lambda group: [replace(group, kind=3)],
    lambda group: [replace(group, calls=(ProvenCall(Txid(bytes(64)), ()),))],
    lambda group: [replace(group, calls=(replace(group.calls[0], logits=(1,)),))],
    lambda group: [replace(group, calls=(*group.calls, *group.calls))],
    lambda group: [replace(group, calls=())],
    lambda group: [group, replace(group, calls=(ProvenCall(Txid(bytes(64)), ()),))],
    lambda group: [replace(group, model_id=ModelId(bytes(64)))],
]


@pytest.mark.parametrize("change", BAD_GROUPS)
def test_each_has_its_group_and_no_other_is_there(
    change: Callable[[CallGroup], list[CallGroup]],
) -> None:
    transaction, group = honest()
    assert rule_of([transaction], change(group)) == "AuditGroupViolation"


def test_a_group_without_its_transaction() -> None:
    assert rule_of([], [honest()[1]]) == "AuditGroupViolation"
    # Groups of calls are other rules' matter.
    calls = CallGroup(OWN_CALLS, PARAMS.model.model_id, (ProvenCall(Txid(bytes(64)), ()),), b"")
    assert rule_of([], [calls]) == ""


def test_it_takes_no_more_room_than_was_paid_for() -> None:
    size = len(honest()[1].to_bytes())
    for room, rule in ((size, ""), (size - 1, "AuditRoomViolation")):
        transaction = sent(ALICE, ALICES, room=room)
        assert rule_of([transaction], [ALICES.group(transaction.txid)]) == rule


def test_the_ticket_is_the_senders_own() -> None:
    body = read_ready(ALICES.body)
    openings = body.outputs.openings
    for outputs in (
        replace(body.outputs, openings=openings[::-1]),
        replace(body.outputs, answers=body.outputs.answers[:1]),
    ):
        changed = replace(ALICES, body=ready_bytes(ReadyBody(3, outputs)))
        transaction = sent(ALICE, changed)
        assert rule_of([transaction], [changed.group(transaction.txid)]) == "RehearsalViolation"
    # Somebody else's ticket, with one's own reward.
    stolen = replace(ALICES, body=ready_bytes(ReadyBody(4, body.outputs)))
    transaction = sent(BOB, stolen)
    assert rule_of([transaction], [stolen.group(transaction.txid)]) == "RehearsalViolation"


def test_the_proof_is_of_this_very_body_and_fits_a_block() -> None:
    transaction, group = honest()
    false = replace(group, proof=group.proof[:-1] + bytes([group.proof[-1] ^ 1]))
    assert rule_of([transaction], [false]) == "AuditProofViolation"
    limits = replace(PARAMS.limits, proof_bytes=len(group.proof) - 1)
    verifier = Verifier()
    params = replace(PARAMS, limits=limits)
    assert rule_of([transaction], [group], verifier, params=params) == "AuditProofViolation"
    assert verifier.claims == []


def test_its_group_is_bound_to_its_kind() -> None:
    assert honest()[1].kind == AUDIT
