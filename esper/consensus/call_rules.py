"""Rules about call groups, in the context of the parent's state.

1. number of groups   2. every answer proven once   3. one model, the call's   4. rows
5. logits             6. proof

Shape and budget of answers are rules of the calls themselves and have been checked when the block
was executed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import (
    CALL_TOP_K,
    LANE_ANSWER,
    OWN_CALLS,
    CallGroup,
    group_binding,
    lane_binding,
)
from esper.consensus.ports import ProofRejectedError, WorkClaim, WorkVerifier
from esper.primitives.errors.block_errors import (
    GroupCoverageViolation,
    GroupLimitViolation,
    GroupLogitsViolation,
    GroupModelViolation,
    GroupProofViolation,
    GroupRowsViolation,
)
from esper.primitives.ids import Txid
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from esper.vm.call_rows import call_rows
from esper.vm.context import Answer, ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.records import Lane
from esper.vm.view import Overlay, StateView


@dataclass(frozen=True, slots=True)
class _Answered:
    """A call with the answer that this block gives it."""

    kind: int
    call: LlmCall | Lane
    answer: Answer
    sender: bytes


def check_call_groups(
    content: BlockContent,
    state: StateView,
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    """All rules, for a block that was executed on ``state``, the parent's, in ``context``.

    Groups of Prove transactions are ``audit_rules``' alone. Raises a subclass of BodyViolation.
    """
    groups = [group for group in content.groups if group.kind in (OWN_CALLS, LANE_ANSWER)]

    # 1. Their number bounds what a block costs to verify.
    limit = context.params.calls.groups_per_block
    if len(groups) > limit:
        raise GroupLimitViolation(len(groups), limit)

    # 2. The groups name every answered call of the block once, and nothing else.
    answered = _answered_calls(content, state)
    named = [(group.kind, call.call_id) for group in groups for call in group.calls]
    if len(named) != len(set(named)) or set(named) != set(answered):
        missing = len(set(answered) - set(named))
        raise GroupCoverageViolation(len(named), len(answered), missing)

    for place, group in enumerate(groups):
        _check_group(place, group, answered, context, verifier)


def _answered_calls(content: BlockContent, state: StateView) -> dict[tuple[int, Txid], _Answered]:
    """By kind and call id; a lane opened by this very block is found in the block."""
    ledger = Ledger(Overlay(state))
    opened: dict[Txid, LlmCall] = {}
    answered: dict[tuple[int, Txid], _Answered] = {}
    answers = iter(content.answers)
    for transaction in content.transactions:
        payload = transaction.payload
        if isinstance(payload, LlmCall):
            txid, answer = transaction.txid, next(answers)
            if answer is None:
                opened[txid] = payload
            else:
                answered[OWN_CALLS, txid] = _Answered(
                    OWN_CALLS, payload, answer, transaction.sender
                )
        elif isinstance(payload, LlmResult):
            call = opened.get(payload.call_id) or ledger.lane(payload.call_id)
            if call is None:
                raise KeyError("execution lets only results of open calls pass")
            answered[LANE_ANSWER, payload.call_id] = _Answered(
                LANE_ANSWER, call, payload.answer, transaction.sender
            )
    return answered


def _check_group(
    place: int,
    group: CallGroup,
    answered: dict[tuple[int, Txid], _Answered],
    context: ExecutionContext,
    verifier: WorkVerifier,
) -> None:
    members = [answered[group.kind, call.call_id] for call in group.calls]

    # 3. They call one model, the group's. An empty group proves nothing and is of no model.
    models = {member.call.model_id for member in members}
    model = context.answering(group.model_id)
    if models != {group.model_id} or model is None:
        raise GroupModelViolation(place, len(models))

    # 4. They fit the rows; an answer to a lane stands alone, for its binding names one call.
    rules = context.params.calls
    each = call_rows(rules, model.shape)
    rows = len(members) * each
    limit = each if group.kind == LANE_ANSWER else rules.rows_per_group
    if rows > limit:
        raise GroupRowsViolation(place, rows, limit)

    # 5. One logit for each answer token.
    for call, member in zip(group.calls, members, strict=True):
        if len(call.logits) != len(member.answer):
            raise GroupLogitsViolation(place, len(call.logits), len(member.answer))

    # 6. The model gives these answers.
    said = [(m.call, m.answer, m.sender) for m in members]
    claim = group_claim(group, said, each, context.genesis_hash, context.payee)
    try:
        verifier.verify(claim, group.proof)
    except ProofRejectedError as error:
        raise GroupProofViolation(place, str(error)) from error


def group_claim(
    group: CallGroup,
    members: Sequence[tuple[LlmCall | Lane, Answer, bytes]],
    rows: int,
    genesis_hash: bytes,
    payee: bytes,
) -> WorkClaim:
    """What a group's proof must show; ``members`` are call, answer and sender of each.

    ``rows`` are those of one call to the model: see ``vm.call_rows``.
    """
    ids = [call.call_id for call in group.calls]
    if group.kind == LANE_ANSWER:
        binding = lane_binding(genesis_hash, ids[0], members[0][2])
    else:
        binding = group_binding(genesis_hash, payee, group.model_id, ids)
    return WorkClaim(
        model_id=group.model_id,
        binding=binding,
        rows=rows,
        max_answers=tuple(call.max_tokens for call, _, _ in members),
        top_k=CALL_TOP_K,
        inputs=tuple(call.prompt for call, _, _ in members),
        answers=tuple(
            ProvenAnswer(
                answer,
                tuple(
                    (Candidate(token, logit),)
                    for token, logit in zip(answer, proven.logits, strict=True)
                ),
            )
            for (_, answer, _), proven in zip(members, group.calls, strict=True)
        ),
    )
