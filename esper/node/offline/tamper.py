"""Changed blocks, for showing that every change is refused and why.

Two kinds of forger: one changes bytes and leaves it at that, the other also repairs every hash that
he can compute. What stops the second is the work: a changed pre-header has another seed, and other
answers need a proof that nobody can make.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

from esper.consensus.batch import batch_inputs
from esper.consensus.block import Block, proof_hash
from esper.consensus.chain import ProvenChain
from esper.consensus.header import work_seed
from esper.consensus.template import build_template
from esper.consensus.ticket import batch_result, wins
from esper.crypto.vrf import VrfKey
from esper.dao.omega import reference_work, work_done
from esper.primitives.address import SUITE_ML_DSA_65, Address
from esper.primitives.work_outputs import Candidate, WorkOutputs

THIEF_SECRET = bytes(range(32))
"""The forger's VRF secret; any would do."""

THIEF = Address.of_key(SUITE_ML_DSA_65, b"the forger's key").to_bytes()
"""The forger's address."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """A changed block and what was done to it."""

    part: str
    """header, payee, answers or proof."""
    change: str
    """What the forger did, for people."""
    block: Block
    """The result."""


def forgeries(block: Block, parent: ProvenChain) -> Sequence[Forgery]:
    """Changed versions of a valid block on top of ``parent``; each must be refused."""
    makers: list[tuple[str, str, Callable[[Block, ProvenChain], Block]]] = [
        ("header", "time one millisecond later", _later),
        ("header", "target doubled, or halved at the limit", _other_target),
        ("payee", "payee replaced in the header alone", _payee_in_header),
        ("payee", "payee replaced in header, coinbase, roots and VRF", _stolen),
        ("answers", "one answer token changed", _answer_token),
        ("answers", "one logit changed, outputs hash repaired", _logit_rehashed),
        ("answers", "logits made up until r wins, outputs hash and r repaired", _logit_redigested),
        ("proof", "one bit flipped in the middle", _proof_bit),
        ("proof", "one bit flipped, proof hash repaired", _proof_rehashed),
        ("proof", "one byte appended, proof hash repaired", _proof_appended),
    ]
    return [Forgery(part, change, make(block, parent)) for part, change, make in makers]


def _with_pre(block: Block, **changes: object) -> Block:
    pre = replace(block.header.pre, **changes)  # type: ignore[arg-type]
    return replace(block, header=replace(block.header, pre=pre))


def _later(block: Block, parent: ProvenChain) -> Block:
    return _with_pre(block, time_ms=block.header.pre.time_ms + 1)


def _other_target(block: Block, parent: ProvenChain) -> Block:
    doubled = 2 * block.header.pre.target_value
    other = doubled if doubled <= parent.context.params.difficulty.max_target else doubled // 4
    return _with_pre(block, target=other.to_bytes(64, "big"))


def _payee_in_header(block: Block, parent: ProvenChain) -> Block:
    return _with_pre(block, payee=THIEF)


def _stolen(block: Block, parent: ProvenChain) -> Block:
    depth = parent.context.params.limits.vrf_depth
    key = VrfKey(THIEF_SECRET, start=parent.context.height + 1, depth=depth, payee=THIEF)
    pre = block.header.pre
    template = build_template(
        parent.context,
        parent.state,
        THIEF,
        key,
        time_ms=pre.time_ms,
        nonce=pre.nonce,
        model=parent.context.entry_for(block.header).model,
    )
    header = replace(block.header, pre=template.pre, vrf_proof=template.vrf_proof)
    body = replace(block.body, transactions=template.transactions, results=(), call_groups=())
    return replace(block, header=header, body=body)


def _with_outputs(block: Block, outputs: WorkOutputs, *, rehash: bool) -> Block:
    header = replace(block.header, outputs_hash=outputs.hash) if rehash else block.header
    return replace(block, header=header, body=replace(block.body, outputs=outputs))


def _answer_token(block: Block, parent: ProvenChain) -> Block:
    outputs = block.body.outputs
    first = outputs.answers[0]
    token = first.top[0][1].token
    answer = replace(first, tokens=(token, *first.tokens[1:]))
    return _with_outputs(
        block, replace(outputs, answers=(answer, *outputs.answers[1:])), rehash=False
    )


def _raised_logit(block: Block, by: int) -> Block:
    """The best logit of the first answer token raised, the hash of the outputs repaired."""
    outputs = block.body.outputs
    first = outputs.answers[0]
    best = first.top[0][0]
    top = ((Candidate(best.token, best.logit + by), *first.top[0][1:]), *first.top[1:])
    answers = (replace(first, top=top), *outputs.answers[1:])
    return _with_outputs(block, replace(outputs, answers=answers), rehash=True)


def _logit_rehashed(block: Block, parent: ProvenChain) -> Block:
    return _raised_logit(block, 1)


def _logit_redigested(block: Block, parent: ProvenChain) -> Block:
    """Logits made up until r wins the ticket: that costs hashing alone, no inference."""
    entry = parent.context.entry_for(block.header)
    puzzle, model = entry.puzzle.on(parent.context.params.puzzle), entry.model
    seed = work_seed(block.header.work_id)
    openings = block.body.outputs.openings
    inputs = batch_inputs(seed, [opening.prompt for opening in openings], puzzle, model)
    indices = [opening.index for opening in openings]
    lengths = [len(answer.tokens) for answer in block.body.outputs.answers]
    work, reference = work_done(lengths, puzzle, model), reference_work(puzzle, model)
    for by in count(1):
        forged = _raised_logit(block, by)
        answers = forged.body.outputs.answers
        result = batch_result(seed, model.model_id, puzzle, indices, inputs, answers)
        if wins(int.from_bytes(result, "big"), block.header.pre.target_value, work, reference):
            return replace(forged, header=replace(forged.header, result=result))
    raise AssertionError("counting does not end")


def _with_proof(block: Block, proof: bytes, *, rehash: bool) -> Block:
    hashed = proof_hash(proof) if rehash else block.header.proof_hash
    return replace(block, header=replace(block.header, proof_hash=hashed), proof=proof)


def _flipped(proof: bytes) -> bytes:
    middle = len(proof) // 2
    return proof[:middle] + bytes([proof[middle] ^ 1]) + proof[middle + 1 :]


def _proof_bit(block: Block, parent: ProvenChain) -> Block:
    return _with_proof(block, _flipped(block.proof), rehash=False)


def _proof_rehashed(block: Block, parent: ProvenChain) -> Block:
    return _with_proof(block, _flipped(block.proof), rehash=True)


def _proof_appended(block: Block, parent: ProvenChain) -> Block:
    return _with_proof(block, block.proof + b"\0", rehash=True)
