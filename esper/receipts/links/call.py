"""call: the block holds the call, or of a lane the result that names it."""

from esper.consensus.block import TAG_TX_ROOT
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.merkle import verify_path
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.parts import Listed
from esper.receipts.verdict import Status
from esper.vm.envelope_rules import check_isolated
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import Transaction, decode_transaction


def judge(case: Case) -> tuple[Status, str]:
    """Sets the result of a lane."""
    receipt, call = case.receipt, case.call
    _check_rules(case.made, "the call")
    if isinstance(receipt.call, Listed):
        _check_place(case, receipt.call, case.made)
    else:
        assert receipt.answer is not None
        case.result = _result(case, receipt.answer)
        _check_place(case, receipt.answer, case.result)
    short = case.call_id.hex()[:8]
    return Status.OK, (
        f"{short}, {len(call.prompt)} tokens, at most {call.max_tokens}, bid {call.price}"
    )


def _result(case: Case, listed: Listed) -> Transaction:
    try:
        found = decode_transaction(listed.transaction, case.params.limits.transaction_bytes)
    except RuleViolation as error:
        raise BrokenLinkError(f"the answer cannot be read: {error}") from error
    _check_rules(found, "the answer")
    if not isinstance(found.payload, LlmResult):
        raise BrokenLinkError(f"the answer is a {found.payload.NAME}, no result")
    if found.payload.call_id != case.call_id:
        raise BrokenLinkError("the answer is to another call")
    return found


def _check_rules(transaction: Transaction, what: str) -> None:
    try:
        check_isolated(transaction)
    except RuleViolation as error:
        raise BrokenLinkError(f"{what}: {error}") from error


def _check_place(case: Case, listed: Listed, transaction: Transaction) -> None:
    root = case.header.pre.tx_root
    place = (listed.count, listed.index)
    if not verify_path(TAG_TX_ROOT, root, *place, transaction.wtxid, listed.path):
        raise BrokenLinkError("the path does not lead to the block's tx_root")
