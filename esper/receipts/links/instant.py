"""instant: the gateway's promise is about this call and signed by its key.

A false height is a way out for the gateway: both ends of how long the promise is evidence are
shown, and whoever holds it compares them with the tip.
"""

from esper.primitives.codec import CodecError
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.promise import Promise, decode_promise, request_hash, signer_of
from esper.receipts.verdict import Status


def judge(case: Case) -> tuple[Status, str]:
    """Beside a proof: it may be missing."""
    if case.receipt.instant is None:
        return Status.ABSENT, ""
    promise = _signed(case)
    told = (promise.model_id, promise.prompt, promise.answer, promise.max_tokens)
    call = case.call
    if told != (call.model_id, call.prompt, case.answer, call.max_tokens):
        raise BrokenLinkError("the promise is about another call or answer")
    latest = case.header.pre.height + case.params.limits.undo_depth
    if promise.height > latest:
        raise BrokenLinkError(f"the promise is of height {promise.height}, after {latest}")
    return Status.OK, _words(case, promise)


def judge_promised(case: Case) -> tuple[Status, str]:
    """By itself."""
    return Status.OK, _words(case, _signed(case))


def _signed(case: Case) -> Promise:
    part = case.receipt.instant
    assert part is not None
    try:
        promise = decode_promise(part.record)
    except CodecError as error:
        raise BrokenLinkError(f"the record cannot be read: {error}") from error
    if part.salt is not None:
        raise BrokenLinkError("a salt belongs to the records of markets alone")
    if promise.genesis_hash != case.genesis_hash:
        raise BrokenLinkError(f"the promise is of network {promise.genesis_hash.hex()[:8]}")
    if signer_of(part.record, part.key, part.signature) != promise.gateway:
        raise BrokenLinkError("the signature is not the gateway's")
    request = case.receipt.request
    if request is not None and request_hash(request) != promise.request:
        raise BrokenLinkError("the promise is about another request")
    return promise


def _words(case: Case, promise: Promise) -> str:
    last = promise.height + case.params.reward.unbonding
    gateway = promise.gateway.hex()[:10]
    return f"by {gateway}, evidence from height {promise.height} to {last}"
