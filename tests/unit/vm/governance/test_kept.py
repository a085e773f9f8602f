"""What has rules and is not taken: no block holds it, and nothing depends on it."""

import pytest

from esper.dao.benchmarks.report import ReportBody, report_bytes
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.primitives.ids import Txid
from esper.vm.governance import kept
from esper.vm.governance.claim import Claim
from esper.vm.governance.opening_rules import gate_of
from esper.vm.governance.prove import Prove
from esper.vm.payload import Payload
from tests.support.dao_world import DaoWorld, model_body
from tests.support.hidden_sets import QUESTIONS, withdrawal
from tests.support.vm_world import ALICE, COIN

REPORT = Claim(1, COIN, report_bytes(ReportBody(Txid(bytes(64)), 0, b"\1")))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (REPORT, "reports on models are not taken yet"),
        (Prove(2, Txid(bytes(64)), 0, b""), "reports on models are not taken yet"),
    ],
    ids=["report", "item"],
)
def test_no_network_takes_them_yet(payload: Payload, said: str) -> None:
    found = refusal(payload)
    assert isinstance(found, DaoEncodingViolation)
    assert said in str(found)


@pytest.mark.parametrize(
    "payload",
    [QUESTIONS.claim(), withdrawal(Txid(bytes(64))), Prove(3, Txid(bytes(64)), 0, b"")],
    ids=["set", "withdrawal", "opening"],
)
def test_what_is_closed_is_refused(payload: Payload, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not taken yet" not in str(refusal(payload))
    monkeypatch.setattr(kept, "HIDDEN_SETS_TAKEN", False)
    found = refusal(payload)
    assert isinstance(found, DaoEncodingViolation)
    assert "hidden sets are not taken yet" in str(found)


def refusal(payload: Payload) -> BaseException | None:
    """Why no block takes it; None if one does."""
    try:
        DaoWorld().block((ALICE, payload))
    except RejectedTransactionViolation as error:
        return error.__cause__
    return None


def test_no_model_needs_a_report_that_nobody_can_make(monkeypatch: pytest.MonkeyPatch) -> None:
    tiers = DaoWorld().records.tiers
    assert gate_of(model_body(), tiers, (bytes(64),)) == 0
    monkeypatch.setattr(kept, "REPORTS_TAKEN", True)
    assert gate_of(model_body(), tiers, (bytes(64),)) == 1
    assert gate_of(model_body(0), tiers, (bytes(64),)) == 0
