"""model: the models of call and block are those of a network that somebody here vouches for.

Reads the call, the header and ``models``: exactly those used that are not the genesis block's.
"""

from collections.abc import Sequence
from typing import Final

from esper.consensus.header import decode_header
from esper.consensus.registry import genesis_registry
from esper.dao.entry_records import MODEL_ENTRY, PUZZLE
from esper.dao.model_rules import check_puzzle
from esper.primitives.codec import CodecError, Record, decode, encode
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import ModelId
from esper.primitives.params import NetworkParameters
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.parts import Listed, OpenCall
from esper.receipts.ports import NamedModel
from esper.receipts.promise import decode_promise
from esper.receipts.verdict import Status
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction, decode_transaction, wire_form

NAMED_MODEL: Final = Record(NamedModel, None, (("entry", MODEL_ENTRY), ("puzzle", PUZZLE)))
SETTLED: Final = "settled with chain"
"""Of models that the anchor alone names, until *chain* is ok."""
MAX_NAMED: Final = 4096
"""Bytes of a named model, at most."""


def model_bytes(model: NamedModel) -> bytes:
    """As a model stands in ``models``."""
    return encode(NAMED_MODEL, model)


def genesis_models(params: NetworkParameters) -> dict[ModelId, NamedModel]:
    """Those that a network begins with, by id."""
    return {
        entry.model.model_id: NamedModel(entry.model, entry.puzzle)
        for tier in genesis_registry(params).tiers
        for entry in tier.entries
    }


def judge(case: Case) -> tuple[Status, str]:
    """Sets call, header, and the models of both."""
    genesis = genesis_models(case.params)
    assert case.receipt.call is not None
    case.made = call_in(case.receipt.call, case.params)
    assert isinstance(case.made.payload, LlmCall)
    case.call = case.made.payload
    assert case.receipt.header is not None
    try:
        case.header = decode_header(case.receipt.header, case.params.limits.header_bytes)
    except CodecError as error:
        raise BrokenLinkError(f"the header cannot be read: {error}") from error
    used = {case.call.model_id, case.header.pre.model_id}
    given = _given(case.receipt.models or (), used - genesis.keys(), case.params)
    known = genesis | {model.entry.model_id: model for model in given}
    case.call_model = known[case.call.model_id]
    case.block_model = known[case.header.pre.model_id]
    at_hand = {model.entry.model_id for model in case.around.models}
    case.entry_known = case.call.model_id in genesis.keys() | at_hand
    what = f"tier {case.call_model.entry.tier}"
    words = [_vouched(case, model) for model in given]
    if not words:
        return Status.OK, f"{what}, genesis"
    if None not in words:
        return Status.OK, f"{what}, {' and '.join(sorted({word for word in words if word}))}"
    if case.receipt.anchor is not None:
        return Status.OPEN, f"{what}, {SETTLED}"
    unknown = case.call.model_id.hex()
    return (
        Status.OPEN,
        f"{what}: a stranger's model may say anything; trust it by --model {unknown}",
    )


def judge_promised(case: Case) -> tuple[Status, str]:
    """Of a promise: the model that its record names."""
    assert case.receipt.instant is not None
    try:
        promise = decode_promise(case.receipt.instant.record)
    except CodecError as error:
        raise BrokenLinkError(f"the record cannot be read: {error}") from error
    found = genesis_models(case.params).get(promise.model_id)
    at_hand = [one for one in case.around.models if one.entry.model_id == promise.model_id]
    case.promised_model = found or next(iter(at_hand), None)
    if found is not None:
        return Status.OK, f"tier {found.entry.tier}, genesis"
    if case.promised_model is not None:
        return Status.OK, f"tier {case.promised_model.entry.tier}, at hand"
    if promise.model_id in case.around.trusted:
        return Status.OK, "named by you"
    return Status.OPEN, f"model {promise.model_id.hex()[:8]} is not the genesis block's"


def call_in(part: Listed | OpenCall, params: NetworkParameters) -> Transaction:
    """The call's transaction, of a lane without its signature. Raises BrokenLinkError."""
    try:
        if isinstance(part, OpenCall):
            form = wire_form(LlmCall, signed=False)
            limit = params.limits.transaction_bytes
            return decode(form, part.unsigned, limit=limit, what="unsigned call")
        found = decode_transaction(part.transaction, params.limits.transaction_bytes)
    except (CodecError, RuleViolation) as error:
        raise BrokenLinkError(f"the call cannot be read: {error}") from error
    if not isinstance(found.payload, LlmCall):
        raise BrokenLinkError(f"the transaction is a {found.payload.NAME}, no call")
    return found


def _given(
    models: Sequence[bytes], needed: set[ModelId], params: NetworkParameters
) -> list[NamedModel]:
    found: list[NamedModel] = []
    for place, data in enumerate(models):
        try:
            model = decode(NAMED_MODEL, data, limit=MAX_NAMED, what=f"models[{place}]")
            check_puzzle(model.puzzle, model.entry, params.puzzle.salt_bits)
        except (CodecError, RuleViolation, ValueError) as error:
            raise BrokenLinkError(f"models[{place}] is none: {error}") from error
        found.append(model)
    if [model.entry.model_id for model in found] != sorted(needed):
        raise BrokenLinkError(
            f"models names {len(found)}, call and block use {len(needed)} that are not genesis'"
        )
    return found


def _vouched(case: Case, model: NamedModel) -> str | None:
    """Who stands for a model, None if nobody does. Its id alone says nothing of its ticket."""
    for known in case.around.models:
        if known.entry.model_id == model.entry.model_id:
            if known != model:
                raise BrokenLinkError("a model differs from the one of that id at hand")
            return "at hand"
    return "named by you" if model.entry.model_id in case.around.trusted else None
