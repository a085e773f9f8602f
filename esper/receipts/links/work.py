"""work: the block was worked for, by its own model. That the target was right, *chain* says."""

from esper.consensus.block import proof_hash
from esper.consensus.work_rules import check_work
from esper.primitives.codec import CodecError, decode
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.units import RANGE_512
from esper.primitives.work_outputs import WORK_OUTPUTS, outputs_hash
from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.links.proof import check_described
from esper.receipts.verdict import Status


def judge(case: Case) -> tuple[Status, str]:
    """It may be missing: the header has the hashes."""
    part = case.receipt.work
    if part is None:
        return Status.ABSENT, ""
    header, model = case.header, case.block_model
    if outputs_hash(part.outputs) != header.outputs_hash:
        raise BrokenLinkError("the outputs are not the header's")
    if proof_hash(part.proof) != header.proof_hash:
        raise BrokenLinkError("the proof is not the header's")
    named = (header.pre.tier, header.pre.bank_root)
    if named != (model.entry.tier, model.entry.bank_root):
        raise BrokenLinkError("the header has another tier or bank than the model's entry")
    check_described(case, part.proof, model)
    puzzle = model.puzzle.on(case.params.puzzle)
    limit = len(part.outputs)
    try:
        outputs = decode(WORK_OUTPUTS, part.outputs, limit=limit, what="outputs")
        check_work(header, outputs, part.proof, puzzle, model.entry, case.around.judge)
    except (CodecError, RuleViolation, ValueError) as error:
        raise BrokenLinkError(str(error)) from error
    attempts = max(1, RANGE_512 // max(1, header.pre.target_value))
    return Status.OK, f"{attempts} attempt{'s' if attempts > 1 else ''} expected"
