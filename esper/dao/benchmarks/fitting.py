"""Whether an item can be proven at all. One that cannot is wrong, and needs no proof.

    rows   = max(2, p2(longest prompt + limit - 1)) a sequence       p2 rounds up
    fits   = sequences rows <= audit_rows, rows <= max_seq
             and (distinct ids + sequences limit) 4 dim <= 2^20 - 400 KiB

So nobody loses a bond over what nobody can prove: a report says of such an item that it is wrong.
The same holds for items that make no sense in their suite's form.
"""

from collections.abc import Sequence
from typing import Final

from esper.dao.benchmarks.answers import MAX_TOKENS
from esper.dao.benchmarks.item import Item
from esper.dao.benchmarks.suite import Form, Suite
from esper.dao.model_rules import PROOF_OVERHEAD
from esper.primitives.model_entry import ModelEntry, ModelShape

LEAST_ROWS: Final = 2
EMBEDDING_ROOM: Final = (1 << 20) - PROOF_OVERHEAD
"""Bytes of embedding rows in a proof, at most: they travel in the clear."""
VALUE_BYTES: Final = 4
VERDICTS: Final = 2
"""A judge says who is better first, and who is worse."""


def audit_rows(longest: int, limit: int) -> int:
    """Rows of each sequence: of prompts up to ``longest`` tokens and answers up to ``limit``."""
    return max(LEAST_ROWS, 1 << (longest + limit - 2).bit_length())


def batch_fits(
    prompts: Sequence[Sequence[int]], limit: int, shape: ModelShape, most_rows: int
) -> bool:
    """Whether a proof has room for answers of up to ``limit`` tokens to all of ``prompts``.

    ``most_rows`` are those of the proof, all sequences together.
    """
    if not 1 <= limit <= MAX_TOKENS or not all(prompts):
        return False
    ids = {token for prompt in prompts for token in prompt}
    if max(ids) >= shape.vocab:
        return False
    rows = audit_rows(max(map(len, prompts)), limit)
    if rows > shape.max_seq or len(prompts) * rows > most_rows:
        return False
    read = len(ids) + len(prompts) * limit
    return read * VALUE_BYTES * shape.dim <= EMBEDDING_ROOM


def item_fits(suite: Suite, item: Item, model: ModelEntry, most_rows: int) -> bool:
    """Whether a model's answer to an item can be proven, and means something in the form.

    A judge may then still be without room for it.
    """
    if suite.tokenizer != model.tokenizer_id or not is_gradable(suite.form, item):
        return False
    return batch_fits([item.prompt], item.limit, model.shape, most_rows)


def is_gradable(form: int, item: Item) -> bool:
    """Whether an item has what its form reads."""
    match form:
        case Form.CHOICE:
            single = bool(item.expected) and len(item.expected[0]) == 1
            return item.limit == 1 and bool(item.choices) and single
        case Form.TEXT:
            return True
        case _:
            return (
                len(item.choices) == VERDICTS
                and item.choices[0] != item.choices[1]
                and bool(item.expected)
            )
