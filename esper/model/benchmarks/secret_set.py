"""What a curator keeps to itself of a hidden set: its items and their salts, in a file.

Whoever loses it can open nothing, and loses the bond; whoever reads it knows what will be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.benchmarks.item import ITEM, Item
from esper.dao.hidden.hidden_set import SALT_BYTES, TAG_SET, SetBody, hidden_leaf
from esper.dao.hidden.openings import Opening
from esper.model.benchmarks.errors import SuiteFileError
from esper.primitives.codec import Array, CodecError, FixedBytes, Record, decode, encode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.merkle import MerkleTree

MOST_ITEMS: Final = (1 << 16) - 1
MAX_SECRET_BYTES: Final = 128 << 20


@dataclass(frozen=True)
class SecretSet:
    """A hidden set with all that opens it."""

    tokenizer: bytes
    """64 bytes: tokenizer_id of the models that can be asked."""
    items: tuple[Item, ...]
    salts: tuple[bytes, ...]
    """32 random bytes for each item."""

    @cached_property
    def tree(self) -> MerkleTree:
        """What the items are committed to with."""
        pairs = zip(self.salts, self.items, strict=True)
        return MerkleTree.build(TAG_SET, [hidden_leaf(salt, item) for salt, item in pairs])

    @property
    def body(self) -> SetBody:
        """What the chain is told."""
        return SetBody(self.tokenizer, self.tree.root, len(self.items))

    def opening(self, index: int, answer: ShownAnswer) -> Opening:
        """What shows an item and the model's answer to it."""
        path = tuple(self.tree.path(index))
        return Opening(index, self.salts[index], self.items[index], path, answer)


SECRET_SET: Final = Record(
    SecretSet,
    1,
    (
        ("tokenizer", FixedBytes(HASH_BYTES)),
        ("items", Array(ITEM, MOST_ITEMS)),
        ("salts", Array(FixedBytes(SALT_BYTES), MOST_ITEMS)),
    ),
)


def secret_bytes(secret: SecretSet) -> bytes:
    """The bytes of its file."""
    return encode(SECRET_SET, secret)


def decode_secret(data: bytes, path: Path) -> SecretSet:
    """A set from its bytes; ``path`` is for the message. Raises SuiteFileError."""
    try:
        found: SecretSet = decode(SECRET_SET, data, limit=MAX_SECRET_BYTES, what="hidden set")
    except (CodecError, ValueError) as error:
        raise SuiteFileError(path, f"{error}; put back the copy that you made of it") from error
    if not found.items or len(found.salts) != len(found.items):
        raise SuiteFileError(
            path,
            f"field 'salts' has {len(found.salts)}, and it has {len(found.items)} items; put back "
            "the copy that you made of it",
        )
    return found
