"""An item of a benchmark suite, in token ids.

items root = merkle root (esper/suite/items/v1) over the items' bytes
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.dao.benchmarks.suite import Suite
from esper.primitives.codec import Array, Record, Unsigned, encode
from esper.primitives.hashing import make_tag
from esper.primitives.merkle import merkle_root, verify_path

TAG_ITEMS: Final = make_tag("esper/suite/items/v1")
MAX_PROMPT: Final = 1024
MAX_CHOICES: Final = 26
MAX_MARKER: Final = 16
MAX_EXPECTED: Final = 4
MAX_EXPECTED_TOKENS: Final = 64


@dataclass(frozen=True, slots=True)
class Item:
    """One question."""

    prompt: tuple[int, ...]
    """What the model reads, BOS included."""
    limit: int
    """Longest answer, in tokens."""
    choices: tuple[int, ...]
    """Choice: ids of the choices. Text: ids that may follow what is expected. Judged: what the
    judge says for the first text, and for the second."""
    marker: tuple[int, ...]
    """Text: ids behind which the result stands; empty for the whole answer."""
    expected: tuple[tuple[int, ...], ...]
    """Choice: the right id, alone in the first. Text: results that are right. Judged: in the first,
    the text that the answer is compared with."""


ITEM: Final = Record(
    Item,
    None,
    (
        ("prompt", Array(Unsigned(32), MAX_PROMPT)),
        ("limit", Unsigned(8)),
        ("choices", Array(Unsigned(32), MAX_CHOICES)),
        ("marker", Array(Unsigned(32), MAX_MARKER)),
        ("expected", Array(Array(Unsigned(32), MAX_EXPECTED_TOKENS), MAX_EXPECTED)),
    ),
)


def items_root(items: Sequence[Item]) -> bytes:
    """64 bytes: the root over a suite's items, in their order."""
    return merkle_root(TAG_ITEMS, [encode(ITEM, item) for item in items])


def is_item_of(suite: Suite, index: int, item: Item, path: Sequence[bytes]) -> bool:
    """Whether the suite's item at ``index`` is this one; ``path`` leads from it to the root."""
    data = encode(ITEM, item)
    return verify_path(TAG_ITEMS, suite.items_root, suite.count, index, data, path)
