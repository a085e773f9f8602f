"""Proofs of items in a block: each rule by a block that breaks it, beside the honest one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from esper.consensus.audit_rules import check_audits
from esper.consensus.block import Coinbase
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import AUDIT, JUDGE, CallGroup, ProvenCall
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute_block, genesis_state
from esper.consensus.ports import WorkClaim
from esper.crypto.signing import KeyPair
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.benchmarks.item_proof import Asked, ItemProof, item_proof_bytes
from esper.dao.benchmarks.judging import judge_prompts
from esper.dao.benchmarks.report import Report, ReportBody, report_bytes
from esper.dao.benchmarks.suite import Form
from esper.dao.bodies import MODEL_BODY, ModelBody
from esper.dao.records import Live, ReportPlace
from esper.dao.registry import ONE, Puzzle
from esper.dao.steps import Step
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId, Txid
from esper.vm.governance.claim import Claim
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.prove import Prove
from esper.vm.governance.proving.items import judged_outcome
from esper.vm.ledger import Ledger
from esper.vm.payload import Payload
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay
from tests.support.bench_suites import Made, groups_of, item, made
from tests.support.chain_world import funded_network
from tests.support.dao_proposals import proposal
from tests.support.fake_work import FakeInference, FakeVerifier
from tests.support.vm_world import ALICE, BOB, COIN, Unchecked, address, make

PARAMS = funded_network()
MODEL = PARAMS.model
CHAIN = ChainContext.genesis(PARAMS)
PROPOSAL, REPORT, OTHER = (Txid(bytes([at]) * 64) for at in (7, 8, 9))
ROOM = 4096


def answers(
    prompts: tuple[tuple[int, ...], ...], limit: int, listed: int
) -> tuple[ShownAnswer, ...]:
    """What the model says."""
    found = FakeInference(MODEL).answer(prompts, limit, listed)
    return tuple(ShownAnswer(one.tokens, one.top) for one in found)


QUESTION = item(prompt=(1, 30, 31), limit=4)
(SAID,) = answers((QUESTION.prompt,), 4, 1)
TEXT = made(Form.TEXT, [replace(QUESTION, expected=(SAID.text(MODEL.eos),))],
            tokenizer=MODEL.tokenizer_id)  # fmt: skip
LONG = made(Form.TEXT, [item(prompt=(1,) * 600)], tokenizer=MODEL.tokenizer_id)


def _judged() -> tuple[Made, tuple[ShownAnswer, ...]]:
    bare = made(Form.JUDGED, [QUESTION], judge=MODEL.model_id, tokenizer=MODEL.tokenizer_id)
    prompts = judge_prompts(bare.suite, QUESTION, SAID.text(MODEL.eos), MODEL)
    verdicts = answers(prompts, 1, 16)
    choices = (verdicts[0].tokens[0], verdicts[1].tokens[0])
    return (
        made(
            Form.JUDGED,
            [replace(QUESTION, choices=choices)],
            judge=MODEL.model_id,
            tokenizer=MODEL.tokenizer_id,
        ),
        verdicts,
    )


JUDGED, VERDICTS = _judged()
SUITES = (TEXT, JUDGED, LONG)
BODY = ModelBody(
    MODEL,
    ONE,
    0,
    Puzzle.of(PARAMS.puzzle),
    b"",
    bytes(64),
    bytes(64),
    tuple(one.named for one in SUITES),
    b"",
    b"",
    b"",
)


class Verifier:
    """The fake one, which has to be asked."""

    def __init__(self) -> None:
        self.claims: list[WorkClaim] = []
        self._fake = FakeVerifier(MODEL)

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.claims.append(claim)
        self._fake.verify(claim, proof)


def begun() -> State:
    """The genesis state with an open model, and a false report on each of its suites."""
    state = genesis_state(PARAMS, CHAIN.genesis_hash)
    overlay = Overlay(state)
    ledger = Ledger(overlay)
    records = DaoLedger(ledger)
    reports = {Txid(bytes([8 + at]) * 64): at for at in range(len(SUITES))}
    places = tuple(ReportPlace(txid, at, 30) for txid, at in reports.items())
    held = proposal(body=encode(MODEL_BODY, BODY), close=40, base=4, reports=places)
    records.open(Live(1, PROPOSAL, 1, 0, Step.TAIL, 30), held)
    for txid, at in reports.items():
        bits = b"\1" if SUITES[at] is LONG else b"\0"
        records.set_report(txid, Report(PROPOSAL, address(BOB), at, 0, bits, (), 0, 0))
    return state.with_changes(overlay.changes())


STATE = begun()
JUDGED_REPORT, LONG_REPORT = Txid(bytes([9]) * 64), Txid(bytes([10]) * 64)
TEXT_BODY = TEXT.proof(0, [SAID])
JUDGED_BODY = JUDGED.proof(0, [SAID, *VERDICTS], 16)
LONG_BODY = LONG.proof(0, [])


def sent(
    target: Txid, body: ItemProof, key: KeyPair = ALICE, nonce: int = 0, room: int = ROOM
) -> Transaction:
    return make(key, Prove(2, target, room, item_proof_bytes(body)), nonce)


def asked_of(body: ItemProof) -> tuple[Asked, ...]:
    records = DaoLedger(Ledger(Overlay(STATE)))
    return judged_outcome(body, MODEL, records, PARAMS.governance).asked


def proven(transaction: Transaction, body: ItemProof) -> list[CallGroup]:
    return groups_of(transaction, asked_of(body), CHAIN.genesis_hash)


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


def test_an_item_is_proven_by_the_model() -> None:
    transaction, verifier = sent(REPORT, TEXT_BODY), Verifier()
    assert rule_of([transaction], proven(transaction, TEXT_BODY), verifier) == ""
    [claim] = verifier.claims
    assert (claim.model_id, claim.rows, claim.top_k) == (MODEL.model_id, 8, 1)
    assert (claim.inputs, claim.max_answers) == ((QUESTION.prompt,), (4,))
    assert claim.answers == (SAID.proven,)


def test_a_judged_one_by_the_judge_too() -> None:
    transaction, verifier = sent(JUDGED_REPORT, JUDGED_BODY), Verifier()
    groups = proven(transaction, JUDGED_BODY)
    assert [group.kind for group in groups] == [AUDIT, JUDGE]
    assert rule_of([transaction], groups[::-1], verifier) == ""
    _, judge = verifier.claims
    assert (judge.top_k, judge.max_answers, len(judge.inputs)) == (16, (1, 1), 2)
    for some in ([groups[0]], [groups[1]], []):
        assert rule_of([transaction], some) == "AuditGroupViolation"


def test_what_does_not_fit_has_no_group() -> None:
    transaction = sent(LONG_REPORT, LONG_BODY)
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
    lambda group: [group, replace(group, calls=(ProvenCall(OTHER, ()),))],
    lambda group: [replace(group, calls=(replace(group.calls[0], logits=(1,)),))],
]


@pytest.mark.parametrize("change", BAD)
def test_each_has_its_groups_and_no_other_is_there(
    change: Callable[[CallGroup], list[CallGroup]],
) -> None:
    transaction = sent(REPORT, TEXT_BODY)
    [group] = proven(transaction, TEXT_BODY)
    assert rule_of([transaction], change(group)) == "AuditGroupViolation"


@pytest.mark.parametrize(("target", "body"), [(REPORT, TEXT_BODY), (JUDGED_REPORT, JUDGED_BODY)])
def test_all_groups_together_take_no_more_room_than_was_paid_for(
    target: Txid, body: ItemProof
) -> None:
    size = sum(len(one.to_bytes()) for one in proven(sent(target, body), body))
    for room, rule in ((size, ""), (size - 1, "AuditRoomViolation")):
        transaction = sent(target, body, room=room)
        assert rule_of([transaction], proven(transaction, body)) == rule


def test_a_proof_is_of_this_sender_and_these_answers() -> None:
    mine, other = sent(REPORT, TEXT_BODY), sent(REPORT, TEXT_BODY, BOB)
    [group] = proven(mine, TEXT_BODY)
    stolen = replace(group, calls=(ProvenCall(other.txid, ()),))
    assert rule_of([other], [stolen]) == "AuditProofViolation"
    false = replace(group, proof=group.proof[:-1] + bytes([group.proof[-1] ^ 1]))
    assert rule_of([mine], [false]) == "AuditProofViolation"
    # The sample is empty, so only what refutes is of use: what another answer would do.
    for kind in (0, 1):
        transaction = sent(JUDGED_REPORT, JUDGED_BODY)
        groups = proven(transaction, JUDGED_BODY)
        groups[kind] = replace(groups[kind], proof=groups[1 - kind].proof)
        assert rule_of([transaction], groups) == "AuditProofViolation"


def test_made_up_answers_are_proven_by_nobody() -> None:
    lists = ((replace(SAID.lists[0][0], logit=1),), *SAID.lists[1:])
    body = TEXT.proof(0, [replace(SAID, lists=lists)])
    transaction = sent(REPORT, body)
    assert rule_of([transaction], proven(transaction, body)) == "AuditProofViolation"


def test_a_report_that_was_made_in_the_same_block() -> None:
    claim: Payload = Claim(1, COIN, report_bytes(ReportBody(PROPOSAL, 0, b"\0")))
    told = make(ALICE, claim, 0)
    transaction = sent(told.txid, TEXT_BODY, nonce=1)
    groups = proven(transaction, TEXT_BODY)
    assert rule_of([told, transaction], groups) == ""
    assert rule_of([told, transaction], []) == "AuditGroupViolation"


def test_two_that_end_one_report_cannot_stand_in_one_block() -> None:
    first, second = sent(REPORT, TEXT_BODY), sent(REPORT, TEXT_BODY, BOB)
    with pytest.raises(Exception, match="nothing under way"):
        rule_of([first, second], [])
