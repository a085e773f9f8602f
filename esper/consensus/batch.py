"""The batch of a seed: which prompts, and the salt before each of them.

    indices    = u64 words of XOF(esper/work/index/v1, seed), modulo N, without bias or repeats
    sequence_j = BOS || salt_j || prompt_j with its masked spans replaced, exactly Lin tokens
    salt_j     = XOF(esper/work/salt/v1, seed || j as u32) over the ids that are not special
    mask_j     = XOF(esper/work/mask/v1, seed || j as u32) over the same ids

The salt stands first: behind the prompt it would leave a prefix that can be computed once and used
again. It fills the sequence up, so every sequence costs the same to read.
"""

from collections.abc import Sequence
from typing import Final

from esper.primitives.hashing import Xof, make_tag, u32
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.prompt import BankPrompt

TAG_INDEX: Final = make_tag("esper/work/index/v1")
TAG_SALT: Final = make_tag("esper/work/salt/v1")
TAG_MASK: Final = make_tag("esper/work/mask/v1")


def draw_indices(seed: bytes, bank_size: int, count: int) -> tuple[int, ...]:
    """``count`` distinct indices below ``bank_size``, in the order drawn.

    Raises ValueError if the bank is smaller than the batch.
    """
    if bank_size < count:
        raise ValueError(f"a bank of {bank_size} prompts cannot fill a batch of {count}")
    stream = Xof(TAG_INDEX, seed)
    drawn: list[int] = []
    while len(drawn) < count:
        index = stream.below(bank_size)
        if index not in drawn:
            drawn.append(index)
    return tuple(drawn)


def longest_prompt(puzzle: PuzzleParameters, model: ModelEntry) -> int:
    """Most tokens that a prompt may have so that BOS and enough salt fit before it."""
    return puzzle.input_tokens - 1 - model.minimum_salt(puzzle.salt_bits)


def input_tokens(
    seed: bytes, position: int, prompt: BankPrompt, puzzle: PuzzleParameters, model: ModelEntry
) -> tuple[int, ...]:
    """Sequence ``position`` of the batch: exactly Lin token ids.

    Raises ValueError if the prompt leaves less salt than the puzzle demands.
    """
    limit = longest_prompt(puzzle, model)
    if len(prompt.tokens) > limit:
        raise ValueError(f"prompt of {len(prompt.tokens)} tokens, at most {limit} allowed")
    salt_length = puzzle.input_tokens - 1 - len(prompt.tokens)
    salt = _random_tokens(Xof(TAG_SALT, seed, u32(position)), salt_length, model)
    masks = Xof(TAG_MASK, seed, u32(position))
    tokens = list(prompt.tokens)
    for start, length in prompt.mask_spans:
        tokens[start : start + length] = _random_tokens(masks, length, model)
    return (model.bos, *salt, *tokens)


def batch_inputs(
    seed: bytes, prompts: Sequence[BankPrompt], puzzle: PuzzleParameters, model: ModelEntry
) -> tuple[tuple[int, ...], ...]:
    """The whole batch, one sequence per prompt. Raises ValueError as ``input_tokens`` does."""
    return tuple(input_tokens(seed, j, p, puzzle, model) for j, p in enumerate(prompts))


def _random_tokens(stream: Xof, count: int, model: ModelEntry) -> list[int]:
    return [model.salt_token(stream.below(model.salt_alphabet)) for _ in range(count)]
