"""Rules about the work, from cheap to dear.

1. indices   2. openings   3. lengths   4. answer shape   5. top-K lists   6. digest   7. ticket
8. proof encoding   9. proof

1 to 7 cost hashing only. They do not show that a model was run: anyone can write answers whose
digest wins. Rule 9 shows it, and nothing counts before.
"""

from collections.abc import Sequence

from esper.consensus.batch import batch_inputs, draw_indices, longest_prompt
from esper.consensus.header import Header, work_seed
from esper.consensus.ports import (
    ProofMalformedError,
    ProofRejectedError,
    WorkClaim,
    WorkVerifier,
)
from esper.consensus.ticket import batch_result, wins
from esper.dao.omega import reference_work, work_done
from esper.primitives.errors.work_errors import (
    AnswerShapeViolation,
    DigestViolation,
    IndexViolation,
    InputLengthViolation,
    OpeningViolation,
    ProofEncodingViolation,
    ProofViolation,
    TicketViolation,
    TopListViolation,
)
from esper.primitives.merkle import verify_path
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.prompt import TAG_PROMPT_BANK
from esper.primitives.work_outputs import Candidate, Opening, ProvenAnswer, WorkOutputs


def check_work(
    header: Header,
    outputs: WorkOutputs,
    proof: bytes,
    puzzle: PuzzleParameters,
    model: ModelEntry,
    verifier: WorkVerifier,
) -> None:
    """All rules, for a header of ``model``'s tier that fits its chain.

    ``outputs`` and ``proof`` are those that the header names; no transaction is needed. Raises a
    subclass of WorkViolation.
    """
    seed = work_seed(header.work_id)

    # 1. to 5. It is a ticket of this seed.
    indices, inputs = check_ticket(seed, outputs, puzzle, model)
    result = batch_result(seed, model.model_id, puzzle, indices, inputs, outputs.answers)

    # 6. r is their digest.
    if result != header.result:
        raise DigestViolation(header.result, result)

    # 7. r wins for the work done.
    work = work_done([len(answer.tokens) for answer in outputs.answers], puzzle, model)
    reference = reference_work(puzzle, model)
    if not wins(header.result_value, header.pre.target_value, work, reference):
        raise TicketViolation(header.result_value, header.pre.target_value, work, reference)

    # 8. and 9. The model really gives these answers.
    claim = ticket_claim(seed, inputs, outputs, puzzle, model)
    try:
        verifier.verify(claim, proof)
    except ProofMalformedError as error:
        raise ProofEncodingViolation(str(error)) from error
    except ProofRejectedError as error:
        raise ProofViolation(str(error)) from error


def check_ticket(
    seed: bytes, outputs: WorkOutputs, puzzle: PuzzleParameters, model: ModelEntry
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Rules 1 to 5, for a ticket drawn from a 64-byte seed: its indices and the model's inputs.

    Raises a subclass of WorkViolation.
    """
    # 1. The prompts are those that the seed draws.
    expected = draw_indices(seed, model.bank_size, puzzle.sequences)
    indices = tuple(opening.index for opening in outputs.openings)
    if indices != expected:
        raise IndexViolation(indices, expected)

    # 2. Each stands in the bank, and 3. leaves room for the salt.
    for position, opening in enumerate(outputs.openings):
        _check_opening(position, opening, puzzle, model)
    prompts = [opening.prompt for opening in outputs.openings]
    inputs = batch_inputs(seed, prompts, puzzle, model)

    # 4. Answers have the puzzle's shape, and 5. agree with their lists.
    if len(outputs.answers) != puzzle.sequences:
        reason = f"is one of {len(outputs.answers)}, must be {puzzle.sequences}"
        raise AnswerShapeViolation(min(len(outputs.answers), puzzle.sequences), reason)
    for position, answer in enumerate(outputs.answers):
        _check_answer_shape(position, answer, puzzle, model)
        _check_top_lists(position, answer, puzzle, model)
    return indices, inputs


def ticket_claim(
    binding: bytes,
    inputs: tuple[tuple[int, ...], ...],
    outputs: WorkOutputs,
    puzzle: PuzzleParameters,
    model: ModelEntry,
) -> WorkClaim:
    """What the proof of a ticket must show; ``inputs`` are those that ``check_ticket`` gives."""
    return WorkClaim(
        model_id=model.model_id,
        binding=binding,
        rows=puzzle.rows,
        max_answers=(puzzle.max_answer,) * puzzle.sequences,
        top_k=puzzle.top_k,
        inputs=inputs,
        answers=outputs.answers,
    )


def _check_opening(
    position: int, opening: Opening, puzzle: PuzzleParameters, model: ModelEntry
) -> None:
    prompt = opening.prompt
    if prompt.tokenizer_id != model.tokenizer_id:
        raise OpeningViolation(position, opening.index, "its tokenizer is not the model's")
    if max(prompt.tokens) >= model.shape.vocab:
        raise OpeningViolation(position, opening.index, "a token is outside the vocabulary")
    if not verify_path(
        TAG_PROMPT_BANK,
        model.bank_root,
        model.bank_size,
        opening.index,
        prompt.leaf,
        opening.path,
    ):
        raise OpeningViolation(position, opening.index, "the path does not lead to the bank root")
    limit = longest_prompt(puzzle, model)
    if len(prompt.tokens) > limit:
        raise InputLengthViolation(position, len(prompt.tokens), limit)


def _check_answer_shape(
    position: int, answer: ProvenAnswer, puzzle: PuzzleParameters, model: ModelEntry
) -> None:
    tokens = answer.tokens
    if not 1 <= len(tokens) <= puzzle.max_answer:
        raise AnswerShapeViolation(
            position, f"has {len(tokens)} tokens, must have 1 to {puzzle.max_answer}"
        )
    if model.eos in tokens[:-1]:
        raise AnswerShapeViolation(position, f"goes on after EOS at {tokens.index(model.eos)}")
    if len(tokens) < puzzle.max_answer and tokens[-1] != model.eos:
        raise AnswerShapeViolation(
            position, f"stops after {len(tokens)} of {puzzle.max_answer} tokens without EOS"
        )
    if len(answer.top) != len(tokens):
        raise AnswerShapeViolation(
            position, f"has {len(answer.top)} top lists for {len(tokens)} tokens"
        )


def _check_top_lists(
    position: int, answer: ProvenAnswer, puzzle: PuzzleParameters, model: ModelEntry
) -> None:
    for place, (token, candidates) in enumerate(zip(answer.tokens, answer.top, strict=True)):
        if len(candidates) != puzzle.top_k:
            reason = f"has {len(candidates)} entries, must have {puzzle.top_k}"
            raise TopListViolation(position, place, reason)
        if any(candidate.token >= model.shape.vocab for candidate in candidates):
            reason = f"holds an id outside the vocabulary of {model.shape.vocab}"
            raise TopListViolation(position, place, reason)
        if not _strictly_sorted(candidates):
            reason = "must be sorted by logit descending, then by id ascending, without repeats"
            raise TopListViolation(position, place, reason)
        if candidates[0].token != token:
            reason = f"begins with id {candidates[0].token}, the answer says {token}"
            raise TopListViolation(position, place, reason)


def _strictly_sorted(candidates: Sequence[Candidate]) -> bool:
    keys = [(-candidate.logit, candidate.token) for candidate in candidates]
    distinct = len({candidate.token for candidate in candidates}) == len(candidates)
    return distinct and keys == sorted(keys)
