"""Whether an item can be proven at all. One that cannot is wrong, and needs no proof.

    rows   = max(2, p2(longest prompt + limit - 1)) a sequence       p2 rounds up
    fits   = sequences rows <= audit_rows, rows <= max_seq
             and (distinct ids + sequences limit) (4 dim + 32 depth) <= 2^20 - 768 KiB

depth is that of the tree of embedding rows: a row travels in the clear, and at most so many hashes
beside it. The rest of a proof takes no more than a mainnet block's proof may, or the model could
not be mined: 768 KiB. What fits so has room in a group, of 2^20 bytes, whatever the model's
weights. A judge reads in the room that the judged answer left, so that both proofs have room in a
block.

So nobody loses a bond over what nobody can prove: a report says of such an item that it is wrong.
And nobody says of an item that no block can hold that it is right. The same holds for items that
make no sense in their suite's form.
"""

from collections.abc import Sequence
from typing import Final

from esper.dao.benchmarks.answers import MAX_TOKENS
from esper.dao.benchmarks.item import Item
from esper.dao.benchmarks.suite import Form, Suite
from esper.primitives.model_entry import ModelEntry, ModelShape

LEAST_ROWS: Final = 2
MOST_BESIDE_ROWS: Final = 768 * 1024
"""Bytes of a proof beside its embedding rows and their hashes: mainnet's most for a block's."""
EMBEDDING_ROOM: Final = (1 << 20) - MOST_BESIDE_ROWS
"""Bytes of embedding rows and their hashes in a proof, at most."""
VALUE_BYTES: Final = 4
"""Of an embedding value, at most: the widest that a descriptor allows."""
SIBLING_BYTES: Final = 32
"""Of a hash beside the way from a row to the root."""
VERDICT_TOKENS: Final = 1
VERDICTS: Final = 2
"""A judge says who is better first, and who is worse."""


def audit_rows(longest: int, limit: int) -> int:
    """Rows of each sequence: of prompts up to ``longest`` tokens and answers up to ``limit``."""
    return max(LEAST_ROWS, 1 << (longest + limit - 2).bit_length())


def rows_bytes(prompts: Sequence[Sequence[int]], limit: int, shape: ModelShape) -> int:
    """Bytes of embedding rows and hashes in a proof of answers to ``prompts``, at most."""
    ids = {token for prompt in prompts for token in prompt}
    read = len(ids) + len(prompts) * limit
    return read * (VALUE_BYTES * shape.dim + SIBLING_BYTES * (shape.vocab - 1).bit_length())


def batch_fits(
    prompts: Sequence[Sequence[int]],
    limit: int,
    shape: ModelShape,
    most_rows: int,
    room: int = EMBEDDING_ROOM,
) -> bool:
    """Whether a proof has room for answers of up to ``limit`` tokens to all of ``prompts``.

    ``most_rows`` are those of the proof, all sequences together; ``room`` are bytes for embedding
    rows.
    """
    if not 1 <= limit <= MAX_TOKENS or not all(prompts):
        return False
    if max(map(max, prompts)) >= shape.vocab:
        return False
    rows = audit_rows(max(map(len, prompts)), limit)
    if rows > shape.max_seq or len(prompts) * rows > most_rows:
        return False
    return rows_bytes(prompts, limit, shape) <= room


def verdicts_fit(
    item: Item,
    prompts: Sequence[Sequence[int]],
    model: ModelEntry,
    judge: ModelEntry,
    most_rows: int,
) -> bool:
    """Whether a judge's reading of ``prompts`` can be proven beside the answer to ``item``."""
    room = EMBEDDING_ROOM - rows_bytes([item.prompt], item.limit, model.shape)
    return batch_fits(prompts, VERDICT_TOKENS, judge.shape, most_rows, room)


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
