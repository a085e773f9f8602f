"""The digest of a batch, the work that it took, and whether it wins.

    w      = multiply-accumulates of the batch               ``dao.omega``
    W_ref  = those of one whose answers all have full length
    r      = Poseidon2-512 over seed, model, inputs, answers and top-K lists
    wins   if r * W_ref < target * w                          exact integers

The factor w / W_ref pays for the work done: under a plain r < target, seeds whose answers end early
would be a bargain to look for.
"""

from collections.abc import Sequence
from typing import Final

from esper.crypto.poseidon import FIELD_ORDER, digest_bytes, pack_bytes
from esper.primitives.ids import ModelId
from esper.primitives.params import PuzzleParameters
from esper.primitives.work_outputs import ProvenAnswer

DIGEST_TAG: Final = "esper/work/digest/v1"


def digest_elements(
    seed: bytes,
    model_id: ModelId,
    puzzle: PuzzleParameters,
    indices: Sequence[int],
    inputs: Sequence[Sequence[int]],
    answers: Sequence[ProvenAnswer],
) -> list[int]:
    """The field elements of a batch, one per number, every list behind its count.

    [n, Lin, g, K] || seed (10 elements) || model_id (10), then per sequence: index, number of input
    tokens, the tokens, number of answer tokens, the tokens, and per answer token: number of
    candidates, then id and logit (mod p) of each. Nothing is optional, so the list reads back in
    one way only.
    """
    elements = [len(inputs), puzzle.input_tokens, puzzle.max_answer, puzzle.top_k]
    elements += pack_bytes(seed)
    elements += pack_bytes(model_id)
    for index, tokens, answer in zip(indices, inputs, answers, strict=True):
        elements += [index, len(tokens), *tokens, len(answer.tokens), *answer.tokens]
        for candidates in answer.top:
            elements.append(len(candidates))
            for candidate in candidates:
                elements += [candidate.token, candidate.logit % FIELD_ORDER]
    return elements


def batch_result(
    seed: bytes,
    model_id: ModelId,
    puzzle: PuzzleParameters,
    indices: Sequence[int],
    inputs: Sequence[Sequence[int]],
    answers: Sequence[ProvenAnswer],
) -> bytes:
    """The result r as 64 bytes."""
    elements = digest_elements(seed, model_id, puzzle, indices, inputs, answers)
    return digest_bytes(DIGEST_TAG, elements)


def wins(result: int, target: int, work: int, reference: int) -> bool:
    """Whether a result r earns a block: r * W_ref < target * w."""
    return result * reference < target * work
