"""group: the block proves call and answer, in a group of the right form."""

from esper.consensus.block import TAG_CALLS_ROOT
from esper.consensus.call_groups import LANE_ANSWER, OWN_CALLS, CallGroup, decode_call_group
from esper.primitives.codec import CodecError
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.merkle import verify_path
from esper.receipts.call_proof import rows_may_be
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.parts import ProvenGroup
from esper.receipts.verdict import Status
from esper.vm.answers import check_answer
from esper.vm.llm_result import LlmResult


def judge(case: Case) -> tuple[Status, str]:
    """Sets group and answer."""
    part = case.receipt.group
    assert part is not None
    case.group = _group(case, part)
    _check_members(case, part, case.group)
    if not rows_may_be(part.rows, case.params):
        raise BrokenLinkError(f"{part.rows} rows, which no vote leads to")
    many = len(part.members)
    return Status.OK, f"{many} call{'s' if many > 1 else ''}, {part.rows} rows"


def _group(case: Case, part: ProvenGroup) -> CallGroup:
    try:
        group = decode_call_group(part.data, len(part.data))
    except CodecError as error:
        raise BrokenLinkError(f"it cannot be read: {error}") from error
    kind = OWN_CALLS if case.result is None else LANE_ANSWER
    if group.kind != kind:
        raise BrokenLinkError(f"it is of kind {group.kind}, must be {kind}")
    root, place = case.header.pre.calls_root, (part.count, part.index)
    if not verify_path(TAG_CALLS_ROOT, root, *place, part.data, part.path):
        raise BrokenLinkError("the path does not lead to the block's calls_root")
    if group.model_id != case.call.model_id:
        raise BrokenLinkError("it is of another model than the call")
    return group


def _check_members(case: Case, part: ProvenGroup, group: CallGroup) -> None:
    if len(part.members) != len(group.calls) or (case.result and len(group.calls) != 1):
        raise BrokenLinkError(f"{len(part.members)} members for {len(group.calls)} calls")
    if part.position >= len(group.calls):
        raise BrokenLinkError(f"position {part.position} of {len(group.calls)} calls")
    if group.calls[part.position].call_id != case.call_id:
        raise BrokenLinkError(f"position {part.position} is another call's")
    member = part.members[part.position]
    if (member.prompt, member.max_tokens) != (case.call.prompt, case.call.max_tokens):
        raise BrokenLinkError("the member is not the call")
    if case.result is not None:
        assert isinstance(case.result.payload, LlmResult)
        if member.answer != case.result.payload.answer:
            raise BrokenLinkError("the member's answer is not the result's")
    case.answer = member.answer
    for place, (one, proven) in enumerate(zip(part.members, group.calls, strict=True)):
        if len(one.answer) != len(proven.logits):
            raise BrokenLinkError(
                f"member {place} has {len(proven.logits)} logits for {len(one.answer)} tokens"
            )
        try:
            check_answer(one.answer, one.max_tokens, case.call_model.entry)
        except RuleViolation as error:
            raise BrokenLinkError(f"member {place}: {error}") from error
