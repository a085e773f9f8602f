"""Proofs of evidence in a block: each rule by a block that breaks it, beside the honest one."""

from dataclasses import replace

from esper.consensus.audit_rules import check_audits
from esper.consensus.audits.evidence import evidence_claim
from esper.consensus.block import Coinbase
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import AUDIT, JUDGE, CallGroup, ProvenCall
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute_block, genesis_state
from esper.crypto.signing import KeyPair
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.evidence import evidence_bytes
from esper.primitives.ids import ModelId
from esper.vm.ledger import Ledger
from esper.vm.stake import Stake
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay
from tests.support.chain_world import funded_network
from tests.support.evidence_cases import Accusing, accusing
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier
from tests.support.vm_world import ALICE, BOB, COIN, Unchecked, address, make

PARAMS = funded_network()
CHAIN = ChainContext.genesis(PARAMS)
MODEL = PARAMS.model
PROMPT = (1, 40, 41, 42)
ROOM = 4096


def begun() -> State:
    """Bob, whose gateway it is, has staked."""
    state = genesis_state(PARAMS, CHAIN.genesis_hash)
    overlay = Overlay(state)
    ledger = Ledger(overlay)
    Stake(100 * COIN).apply(address(BOB), ledger, None, None)  # type: ignore[arg-type]
    return state.with_changes(overlay.changes())


STATE = begun()


def said(tokens: int) -> ShownAnswer:
    """What the model answers to the prompt, up to so many tokens."""
    (answer,) = FakeInference(MODEL).answer([PROMPT], tokens, 1)
    return ShownAnswer(answer.tokens, answer.top)


def lied(signed: tuple[int, ...], shown: ShownAnswer) -> Accusing:
    plain = accusing(
        *(BOB, 7),
        genesis_hash=CHAIN.genesis_hash,
        model_id=MODEL.model_id,
        prompt=PROMPT,
        answer=signed,
    )
    return Accusing(plain.target, replace(plain.body, answer=shown))


FULL = said(6)
WRONG = (*FULL.tokens[:2], FULL.tokens[2] + 1, 5, 6, 7)
EVIDENCE = lied(WRONG, FULL)


def accused(
    evidence: Accusing = EVIDENCE, sender: KeyPair = ALICE, room: int = ROOM
) -> tuple[Transaction, CallGroup]:
    """A transaction with its honest group."""
    transaction = make(sender, evidence.prove(room), 0)
    claim = evidence_claim(
        CHAIN.genesis_hash,
        address(sender),
        evidence.target,
        evidence_bytes(evidence.body),
        evidence.body,
    )
    proof = FakeProver().prove(claim)
    return transaction, CallGroup(AUDIT, MODEL.model_id, (ProvenCall(transaction.txid, ()),), proof)


def rule_of(transaction: Transaction, *groups: CallGroup) -> str:
    """The rule that a block of these breaks; empty for none."""
    at = CHAIN.execution_context(STATE, address(BOB), (), Unchecked())
    execution = execute_block(STATE, CHAIN.tip_work, [transaction], at)
    content = BlockContent((transaction,), Coinbase(0, 1, bytes(33), 0), (), groups)
    try:
        check_audits(content, STATE, execution, at, FakeVerifier(MODEL))
    except Exception as violation:
        return type(violation).__name__
    return ""


def test_what_the_model_says_is_proven() -> None:
    transaction, group = accused()
    assert rule_of(transaction, group) == ""
    # The statement is of the tokens that were signed, whatever budget the receipt names.
    assert len(FULL.tokens) == len(WRONG)


def test_an_invented_answer_convicts_nobody() -> None:
    honest = FULL.tokens
    invented = ShownAnswer(WRONG, tuple((replace(one[0], token=token),) for one, token in
                                        zip(FULL.lists, WRONG, strict=True)))  # fmt: skip
    transaction, group = accused(lied(honest, invented))
    assert rule_of(transaction, group) == "AuditProofViolation"
    assert rule_of(transaction, replace(group, proof=b"junk")) == "AuditProofViolation"


def test_the_proof_is_its_senders_alone() -> None:
    _, group = accused()
    stolen = make(BOB, EVIDENCE.prove(ROOM), 0)
    copied = replace(group, calls=(ProvenCall(stolen.txid, ()),))
    assert rule_of(stolen, copied) == "AuditProofViolation"


def test_one_group_of_the_receipts_model_within_the_room() -> None:
    transaction, group = accused()
    assert rule_of(transaction) == "AuditGroupViolation"
    assert rule_of(transaction, group, replace(group, kind=JUDGE)) == "AuditGroupViolation"
    assert rule_of(transaction, replace(group, kind=JUDGE)) == "AuditGroupViolation"
    other = replace(group, model_id=ModelId(bytes(64)))
    assert rule_of(transaction, other) == "AuditGroupViolation"
    size = len(group.to_bytes())
    for room, expected in ((size, ""), (size - 1, "AuditRoomViolation")):
        assert rule_of(*accused(room=room)) == expected
