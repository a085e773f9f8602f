"""What the chain holds of a model's answers: those of a block's work, and those to calls."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from esper.consensus.batch import batch_inputs
from esper.consensus.block import Block
from esper.consensus.block_isolation import check_lists
from esper.consensus.chain import BlockBytes, ProvenChain, read_block
from esper.consensus.header import work_seed
from esper.consensus.ports import WorkClaim
from esper.node.offline.verify_chain import VerifiedBlock, verified_blocks
from esper.primitives.ids import ModelId, Txid
from esper.primitives.params import LimitParameters, NetworkParameters
from esper.storage.segments.block_files import StandingBlock
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult


class NotRecordedError(Exception):
    """What was asked for is not in the chain, or has no answer there; the message says which."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A prompt with the answer that the chain holds."""

    prompt: tuple[int, ...]
    """Token ids, BOS included."""
    answer: tuple[int, ...]
    """Token ids, the end included where it came."""
    max_tokens: int
    """How long the answer might have been."""
    top: tuple[tuple[tuple[int, int], ...], ...]
    """Per answer token the best (id, logit) that the chain holds, the token itself first."""

    @property
    def inputs(self) -> tuple[int, ...]:
        """Tokens that the model reads: all but the last of the answer."""
        return (*self.prompt, *self.answer[:-1])


@dataclass(frozen=True, slots=True)
class Recorded:
    """Answers of one model at one place of the chain."""

    what: str
    """Such as ``the work of block 7``."""
    height: int
    """Of the block that holds the answers."""
    model_id: ModelId
    """64 bytes."""
    answers: tuple[RecordedAnswer, ...]
    """At least one."""


class _Unproven:
    """Lets every proof pass: the work is done again here."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Nothing is asked."""


def work_of(
    params: NetworkParameters,
    blocks: Iterable[BlockBytes | StandingBlock],
    height: int,
    *,
    now_ms: int,
) -> Recorded:
    """The work of a block, from 1.

    Every rule but those of proofs is checked on the way to it, since which model it is of follows
    from the chain. Raises NotRecordedError, and what ``verified_blocks`` raises.
    """
    parent, last = ProvenChain.genesis(params), 0
    for found in verified_blocks(params, blocks, _Unproven(), now_ms=now_ms):
        last = found.chain.context.height
        if last == height:
            return _work_in(found, parent, params)
        parent = found.chain
    raise NotRecordedError(f"there is no work of a block {height}: the chain ends at {last}")


def _work_in(found: VerifiedBlock, parent: ProvenChain, params: NetworkParameters) -> Recorded:
    header, outputs = found.block.header, found.block.body.outputs
    entry = parent.context.entry_for(header)
    puzzle = entry.puzzle.on(params.puzzle)
    prompts = [opening.prompt for opening in outputs.openings]
    inputs = batch_inputs(work_seed(header.work_id), prompts, puzzle, entry.model)
    answers = tuple(
        RecordedAnswer(
            tuple(prompt),
            answer.tokens,
            puzzle.max_answer,
            tuple(tuple((one.token, one.logit) for one in top) for top in answer.top),
        )
        for prompt, answer in zip(inputs, outputs.answers, strict=True)
    )
    height = found.chain.context.height
    return Recorded(f"the work of block {height}", height, entry.model.model_id, answers)


def call_of(
    limits: LimitParameters, blocks: Iterable[BlockBytes | StandingBlock], call_id: Txid
) -> Recorded:
    """A call with its answer, wherever it stands.

    Raises NotRecordedError, and subclasses of RuleViolation for a block that is none.
    """
    call: LlmCall | None = None
    for height, data in enumerate(blocks, start=1):
        block = read_block(BlockBytes(data.header, data.body, data.proof or b""), limits)
        for place, found in _answers_in(block, limits):
            match found:
                case LlmCall() if place == call_id:
                    call = found
                case (answer, logits) if place == call_id and call is not None:
                    return _answered(call_id, call, height, answer, logits)
    name = f"call {call_id.hex()[:16]}…"
    if call is None:
        raise NotRecordedError(f"{name} is in no block of this folder")
    raise NotRecordedError(f"{name} has no answer in the chain yet")


def _answers_in(
    block: Block, limits: LimitParameters
) -> Iterator[tuple[Txid, LlmCall | tuple[Sequence[int], Sequence[int]]]]:
    """Calls, and answers with their logits, each by the call's id."""
    content = check_lists(block, limits)
    logits = {one.call_id: one.logits for group in content.groups for one in group.calls}
    answers = iter(content.answers)
    for transaction in content.transactions:
        match transaction.payload:
            case LlmCall() as call:
                yield transaction.txid, call
                if (answer := next(answers)) is not None:
                    yield transaction.txid, (answer, logits.get(transaction.txid, ()))
            case LlmResult(call_id, answer):
                yield call_id, (answer, logits.get(call_id, ()))


def _answered(
    call_id: Txid, call: LlmCall, height: int, answer: Sequence[int], logits: Sequence[int]
) -> Recorded:
    top = tuple(((token, logit),) for token, logit in zip(answer, logits, strict=True))
    found = RecordedAnswer(call.prompt, tuple(answer), call.max_tokens, top)
    return Recorded(f"call {call_id.hex()[:16]}…", height, call.model_id, (found,))
