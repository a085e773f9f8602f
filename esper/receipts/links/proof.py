"""proof: the model gives these answers to these prompts. Trusts no miner."""

from esper.consensus.call_rules import group_claim
from esper.consensus.ports import ProofRejectedError
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.parts import Member
from esper.receipts.ports import NamedModel
from esper.receipts.verdict import Status
from esper.vm.llm_call import LlmCall


def judge(case: Case) -> tuple[Status, str]:
    """Bound to the block's payee, or of a lane to the result's sender."""
    part = case.receipt.group
    assert part is not None
    sender = case.answering.sender
    members = [(_called(case, one), one.answer, sender) for one in part.members]
    payee = case.header.pre.payee
    claim = group_claim(case.group, members, part.rows, case.genesis_hash, payee)
    check_described(case, case.group.proof, case.call_model)
    try:
        case.around.judge.verify(claim, case.group.proof)
    except ProofRejectedError as error:
        raise BrokenLinkError(str(error)) from error
    last = case.around.judge.last
    tokens = f"{len(case.call.prompt)} + {len(case.answer)} tokens"
    if last is None:
        return Status.OK, tokens
    return Status.OK, f"{last.security_bits:.1f} bits, {tokens}, {last.milliseconds:.1f} ms"


def check_described(case: Case, proof: bytes, model: NamedModel) -> None:
    """The proof's descriptor, whose hash is the model's id, says what the entry says."""
    entry = model.entry
    try:
        found = case.around.judge.described(proof)
    except ValueError as error:
        raise BrokenLinkError(f"the proof describes no model: {error}") from error
    if (found.model_id, found.shape, found.bos, found.eos) != (
        *(entry.model_id, entry.shape),
        *(entry.bos, entry.eos),
    ):
        raise BrokenLinkError("the model's entry differs from what the proof describes")


def _called(case: Case, member: Member) -> LlmCall:
    """What a claim takes of a call."""
    return LlmCall(case.call.model_id, member.prompt, member.max_tokens, 0)
