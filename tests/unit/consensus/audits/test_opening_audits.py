"""Proofs of opened items in a block: each rule by a block that breaks it, beside the honest one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from esper.consensus.audit_rules import check_audits
from esper.consensus.audits.openings import opening_claim
from esper.consensus.block import Coinbase
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import AUDIT, JUDGE, CallGroup, ProvenCall
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute_block, genesis_state
from esper.consensus.ports import WorkClaim
from esper.crypto.signing import KeyPair
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.bodies import MODEL_BODY, ModelBody
from esper.dao.hidden.hidden_set import HiddenSet
from esper.dao.hidden.openings import (
    UNPROVEN,
    HiddenProof,
    asked_together,
    hidden_proof_bytes,
)
from esper.dao.ready import audit_binding
from esper.dao.records import Live
from esper.dao.registry import ONE, Puzzle
from esper.dao.steps import Step
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId, Txid
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.ledger import Ledger
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay
from tests.support.bench_suites import item
from tests.support.chain_world import funded_network
from tests.support.dao_proposals import proposal
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier
from tests.support.hidden_sets import Hidden
from tests.support.vm_world import ALICE, BOB, Unchecked, address, make

PARAMS = funded_network()
MODEL = PARAMS.model
CHAIN = ChainContext.genesis(PARAMS)
PROPOSAL, SET, OTHER = (Txid(bytes([at]) * 64) for at in (7, 8, 9))
ROOM = 4096
FIRST, SECOND = item(prompt=(1, 30, 31), limit=4), item(prompt=(1, 30, 31, 32, 33), limit=2)
MADE = Hidden((FIRST, SECOND, item(prompt=(1,) * 600)), tokenizer=MODEL.tokenizer_id)
BODY = ModelBody(
    *(MODEL, ONE, 0, Puzzle.of(PARAMS.puzzle), b"", bytes(64), bytes(64), (), b"", b"", b"")
)


def answer(index: int) -> ShownAnswer:
    """What the model says to an item that fits."""
    asked = MADE.items[index]
    (found,) = FakeInference(MODEL).answer((asked.prompt,), asked.limit, 1)
    return ShownAnswer(found.tokens, found.top)


def opened(*indices: int) -> HiddenProof:
    said = ((at, UNPROVEN if at == 2 else answer(at)) for at in indices)
    return HiddenProof(1, tuple(MADE.opening(at, one) for at, one in said))


WHOLE = opened(0, 1, 2)


def begun() -> State:
    """The genesis state with a model in its first round, which has drawn three items of a set."""
    state = genesis_state(PARAMS, CHAIN.genesis_hash)
    overlay = Overlay(state)
    records = DaoLedger(Ledger(overlay))
    held = proposal(body=encode(MODEL_BODY, BODY), close=1, final=1)
    records.open(Live(1, PROPOSAL, 1, 0, Step.ROUND0, 30), held)
    body, drawn = MADE.body, (0, 1, 2)
    found = HiddenSet(
        *(address(ALICE), body.tokenizer, body.root, body.count, 0, 0, drawn),
        *((PROPOSAL,), drawn, 0, 0, 0),
    )
    records.set_hidden(SET, found)
    records.set_sets_of(body.tokenizer, (SET,))
    return state.with_changes(overlay.changes())


STATE = begun()


class Verifier:
    """The fake one, which has to be asked."""

    def __init__(self) -> None:
        self.claims: list[WorkClaim] = []
        self._fake = FakeVerifier(MODEL)

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.claims.append(claim)
        self._fake.verify(claim, proof)


def sent(body: HiddenProof, key: KeyPair = ALICE, nonce: int = 0, room: int = ROOM) -> Transaction:
    return make(key, Prove(3, SET, room, hidden_proof_bytes(body)), nonce)


def group_of(transaction: Transaction, body: HiddenProof) -> CallGroup:
    """The group that a transaction needs, with a fake proof."""
    prove = transaction.payload
    assert isinstance(prove, Prove)
    asked = asked_together(body, MODEL, PARAMS.governance.audit_rows)
    assert asked is not None
    binding = audit_binding(CHAIN.genesis_hash, transaction.sender, 3, SET, prove.body, AUDIT)
    proof = FakeProver().prove(opening_claim(binding, asked))
    return CallGroup(AUDIT, MODEL.model_id, (ProvenCall(transaction.txid, ()),), proof)


def rule_of(
    transactions: list[Transaction], groups: list[CallGroup], verifier: Verifier | None = None
) -> str:
    """The rule that a block of these breaks; empty for none."""
    at = CHAIN.execution_context(STATE, address(BOB), (), Unchecked())
    execution = execute_block(STATE, CHAIN.tip_work, transactions, at)
    content = BlockContent(tuple(transactions), Coinbase(0, 1, bytes(33), 0), (), tuple(groups))
    try:
        check_audits(content, STATE, execution, at, verifier or Verifier())
    except Exception as violation:
        return type(violation).__name__
    return ""


def test_all_that_fits_is_proven_by_the_model_at_once() -> None:
    transaction, verifier = sent(WHOLE), Verifier()
    assert rule_of([transaction], [group_of(transaction, WHOLE)], verifier) == ""
    [claim] = verifier.claims
    assert (claim.model_id, claim.rows, claim.top_k) == (MODEL.model_id, 8, 1)
    assert (claim.inputs, claim.max_answers) == ((FIRST.prompt, SECOND.prompt), (4, 2))
    assert claim.answers == (answer(0).proven, answer(1).proven)


def test_what_does_not_fit_has_no_group() -> None:
    transaction = sent(opened(2))
    assert rule_of([transaction], []) == ""
    calls = (ProvenCall(transaction.txid, ()),)
    group = CallGroup(AUDIT, MODEL.model_id, calls, b"")
    assert rule_of([transaction], [group]) == "AuditGroupViolation"


BAD: list[Callable[[CallGroup], list[CallGroup]]] = [
    lambda group: [],
    lambda group: [group, group],
    lambda group: [replace(group, kind=JUDGE)],
    lambda group: [group, replace(group, kind=JUDGE)],
    lambda group: [replace(group, model_id=ModelId(bytes(64)))],
    lambda group: [replace(group, calls=(ProvenCall(OTHER, ()),))],
]


@pytest.mark.parametrize("change", BAD)
def test_each_has_its_group_and_no_other_is_there(
    change: Callable[[CallGroup], list[CallGroup]],
) -> None:
    transaction = sent(WHOLE)
    assert rule_of([transaction], change(group_of(transaction, WHOLE))) == "AuditGroupViolation"


def test_the_group_takes_no_more_room_than_was_paid_for() -> None:
    size = len(group_of(sent(WHOLE), WHOLE).to_bytes())
    for room, rule in ((size, ""), (size - 1, "AuditRoomViolation")):
        transaction = sent(WHOLE, room=room)
        assert rule_of([transaction], [group_of(transaction, WHOLE)]) == rule


def test_a_proof_is_of_these_answers_and_this_body() -> None:
    transaction = sent(WHOLE)
    group = group_of(transaction, WHOLE)
    false = replace(group, proof=group.proof[:-1] + bytes([group.proof[-1] ^ 1]))
    assert rule_of([transaction], [false]) == "AuditProofViolation"
    part = sent(opened(0, 1))
    moved = replace(group, calls=(ProvenCall(part.txid, ()),))
    assert rule_of([part], [moved]) == "AuditProofViolation"


def test_made_up_answers_are_proven_by_nobody() -> None:
    first = answer(0)
    lists = ((replace(first.lists[0][0], logit=1),), *first.lists[1:])
    body = HiddenProof(1, (MADE.opening(0, replace(first, lists=lists)),))
    transaction = sent(body)
    assert rule_of([transaction], [group_of(transaction, body)]) == "AuditProofViolation"


def test_two_of_one_set_stand_in_one_block() -> None:
    bodies = (opened(0), opened(1))
    both = [sent(body, nonce=at) for at, body in enumerate(bodies)]
    groups = [group_of(one, body) for one, body in zip(both, bodies, strict=True)]
    assert rule_of(both, groups) == ""
    assert rule_of(both, groups[:1]) == "AuditGroupViolation"
