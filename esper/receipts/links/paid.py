"""paid: the chain's own receipt says that the call was paid for, and how much."""

from typing import Final

from esper.primitives.codec import CodecError, decode
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.links.chain import anchor_header
from esper.receipts.ranges import decode_range, stands_in_range, stands_in_state
from esper.receipts.verdict import Status
from esper.vm.answers import call_cost
from esper.vm.receipt import RECEIPT, Receipt
from esper.vm.records import RECEIPTS_PATH

MAX_OUTCOME: Final = 256


def judge(case: Case) -> tuple[Status, str]:
    """Open where *chain* is."""
    if case.receipt.anchor is None:
        return Status.OPEN, ""
    part = case.receipt.anchor.receipts
    root = anchor_header(case, case.receipt.anchor).pre.state_root
    if not stands_in_state(root, RECEIPTS_PATH, part.record, part.state):
        raise BrokenLinkError("the list of receipts does not stand in the anchor's state")
    try:
        receipts = decode_range(part.record)
        found = decode(RECEIPT, part.receipt, limit=MAX_OUTCOME, what="receipt")
    except CodecError as error:
        raise BrokenLinkError(str(error)) from error
    if not stands_in_range(receipts, part.number, part.receipt, part.siblings):
        raise BrokenLinkError(f"the receipt is not number {part.number} of the anchor's chain")
    _check_outcome(case, found)
    words = f"{found.burned} micro-credits burned"
    return (Status.OK if case.chain_holds else Status.OPEN), words


def _check_outcome(case: Case, found: Receipt) -> None:
    one = case.answering
    if (found.txid, found.kind, found.sender) != (one.txid, one.kind, one.sender):
        raise BrokenLinkError("the receipt is of another transaction")
    prompt, answer = len(case.call.prompt), len(case.answer)
    burned = call_cost(case.call.price, prompt, answer)
    if (found.burned, found.paid_tokens) != (burned, prompt + answer):
        raise BrokenLinkError(f"{found.burned} micro-credits burned, the answer costs {burned}")
