"""A call's proof is judged by what the caller signed: each rule with what breaks it alone."""

from dataclasses import replace
from typing import Any

import pytest

from esper.consensus.call_groups import LANE_ANSWER, OWN_CALLS, group_binding, lane_binding
from esper.consensus.ports import WorkClaim
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters, TierParameters
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from esper.receipts.call_proof import (
    HandedProof,
    ShownAnswer,
    UnprovenError,
    network_models,
    shown_answer,
)
from esper.vm.llm_call import LlmCall
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from tests.support.vm_world import ALICE, BOB, GENESIS, MINER, address, make

MODEL = REGTEST.model.model_id
OTHER_MODEL = ModelId(b"\7" * 64)
CALL = make(ALICE, LlmCall(MODEL, (1, 5, 6), 4, 10), 0)
OTHER = Txid(b"\5" * 64)
MODELS = network_models(REGTEST)


def said(*tokens: int) -> ProvenAnswer:
    return ProvenAnswer(tokens, tuple((Candidate(token, 7),) for token in tokens))


def honest(kind: int = OWN_CALLS, made: Transaction = CALL) -> HandedProof:
    """The second of a group of two, or a lane."""
    lane = kind == LANE_ANSWER
    ids = (made.txid,) if lane else (OTHER, made.txid)
    payee = address(BOB if lane else MINER)
    binding = (
        lane_binding(GENESIS, made.txid, payee)
        if lane
        else group_binding(GENESIS, payee, MODEL, ids)
    )
    claim = WorkClaim(
        model_id=MODEL,
        binding=binding,
        rows=REGTEST.calls.rows_per_call,
        max_answers=(4,) if lane else (8, 4),
        top_k=1,
        inputs=((1, 5, 6),) if lane else ((1, 9), (1, 5, 6)),
        answers=(said(9, 2),) if lane else (said(3, 2), said(9, 2)),
    )
    return HandedProof(kind, ids, payee, claim)


def judged(handed: HandedProof, made: Transaction = CALL, **parts: Any) -> ShownAnswer:
    known: dict[str, Any] = {"params": REGTEST, "genesis_hash": GENESIS, "models": MODELS} | parts
    return shown_answer(made.txid, made.payload, handed, **known)


def test_what_a_proof_shows_of_a_call() -> None:
    assert judged(honest()) == ShownAnswer(1, (9, 2))
    assert judged(honest(LANE_ANSWER)) == ShownAnswer(0, (9, 2))


def changed(**parts: Any) -> HandedProof:
    return replace(honest(), **parts)


def claiming(**parts: Any) -> HandedProof:
    found = honest()
    return replace(found, claim=replace(found.claim, **parts))


@pytest.mark.parametrize(
    ("handed", "says"),
    [
        (claiming(model_id=OTHER_MODEL), "about model 0707"),
        (changed(call_ids=()), "0 calls"),
        (changed(call_ids=(OTHER,) * 65), "65 calls"),
        (changed(kind=LANE_ANSWER), "2 calls"),
        (changed(call_ids=(OTHER, Txid(b"\6" * 64))), "0 times"),
        (changed(call_ids=(CALL.txid, CALL.txid)), "2 times"),
        (claiming(inputs=((1, 5, 6),)), "2 sequences for 2 calls"),
        (claiming(answers=(said(9, 2),) * 3), "3 sequences for 2 calls"),
        (claiming(binding=bytes(64)), "bound to 0000"),
        (changed(payee=address(BOB)), "bound to"),
        (changed(call_ids=(CALL.txid, OTHER)), "bound to"),
        (claiming(rows=1024), "1024 rows"),
        (claiming(rows=96), "96 rows"),
        (claiming(top_k=4), "4 logits"),
        (claiming(inputs=((1, 5, 6), (1, 9))), "another prompt"),
        (claiming(inputs=((1, 9), (1, 5, 6, 7))), "another prompt"),
        (claiming(max_answers=(8, 5)), "allows 5 tokens"),
        (claiming(answers=(said(3, 2), said())), "0 tokens"),
        (claiming(answers=(said(3, 2), said(1, 1, 1, 1, 1))), "5 tokens"),
    ],
)
def test_each_rule_has_its_reason(handed: HandedProof, says: str) -> None:
    with pytest.raises(UnprovenError, match=says):
        judged(handed)


@pytest.mark.parametrize("rows", [2, 64, 256, 512])
def test_rows_of_another_time_or_of_a_short_model_are_taken(rows: int) -> None:
    """The call's block may have had others than now: the verifier says whether the proof has."""
    assert judged(claiming(rows=rows)) == judged(honest())


def test_a_transaction_that_asks_nothing() -> None:
    with pytest.raises(UnprovenError, match="is a stake, no call"):
        judged(honest(), make(ALICE, Stake(5), 0))


def test_a_model_that_nobody_trusts() -> None:
    made = make(ALICE, LlmCall(OTHER_MODEL, (1, 5, 6), 4, 10), 0)
    with pytest.raises(UnprovenError, match="which regtest does not name"):
        judged(honest(made=made), made)


def test_another_network_s_proof() -> None:
    with pytest.raises(UnprovenError, match="bound to"):
        judged(honest(), genesis_hash=bytes(64))
    with pytest.raises(UnprovenError, match="bound to"):
        judged(honest(LANE_ANSWER), genesis_hash=bytes(64))


def test_the_models_of_a_network_are_those_of_all_its_tiers() -> None:
    further = TierParameters(replace(REGTEST.model, model_id=OTHER_MODEL, tier=1), 1 << 15)
    params: NetworkParameters = replace(REGTEST, further_tiers=(further,))
    assert network_models(params) == {MODEL, OTHER_MODEL}
