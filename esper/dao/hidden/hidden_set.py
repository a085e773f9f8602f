"""A hidden set: what its curator commits to, its record, and what is drawn of it.

    leaf  = H(esper/hidden/v1, salt || item)
    root  = merkle root (esper/hidden/set/v1) over the leaves
    drawn = k_h indices that were never drawn, by XOF(esper/hidden/draw/v1, seed || set)

The set's id is its claim's txid, the seed the round's. A salt is 32 bytes: without it a short item
could be guessed from its leaf.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from esper.dao.benchmarks.item import ITEM, Item
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH_BYTES, Xof, make_tag, tagged_hash
from esper.primitives.ids import Txid
from esper.primitives.merkle import merkle_root, verify_path

TAG_LEAF: Final = make_tag("esper/hidden/v1")
TAG_SET: Final = make_tag("esper/hidden/set/v1")
TAG_DRAW: Final = make_tag("esper/hidden/draw/v1")

SET_SUBJECT: Final = 2
"""Of a Claim: a set is committed to."""
WITHDRAW_SUBJECT: Final = 3
"""Of a Claim: its curator takes a set back."""
SALT_BYTES: Final = 32
LEAST_COUNT: Final = 128
"""Items of a set, at least: twice what may ever be drawn of it."""
MAX_USED: Final = 64
"""Draws after which a set ends."""
MAX_DRAWN: Final = 8
MAX_SETS: Final = 8
"""Sets for one tokenizer, at a time."""
MAX_SET_BODY: Final = 256
RECORD_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class SetBody:
    """What a curator commits to."""

    tokenizer: bytes
    """64 bytes: tokenizer_id of the models that can be asked."""
    root: bytes
    """64 bytes: see ``hidden_root``."""
    count: int
    """Items of the set."""


SET_BODY: Final = Record(
    SetBody,
    None,
    (
        ("tokenizer", FixedBytes(HASH_BYTES)),
        ("root", FixedBytes(HASH_BYTES)),
        ("count", Unsigned(16)),
    ),
)


@dataclass(frozen=True, slots=True)
class WithdrawBody:
    """Which set its curator takes back."""

    set_id: Txid
    """64 bytes: the txid of its claim."""


WITHDRAW_BODY: Final = Record(WithdrawBody, None, (("set_id", FixedBytes(HASH_BYTES)),))


@dataclass(frozen=True, slots=True)
class HiddenSet:
    """The record of a set, under its txid. Between rounds it is *idle*."""

    curator: bytes
    """33 bytes: who opens, and who gets the bond back."""
    tokenizer: bytes
    """64 bytes."""
    root: bytes
    """64 bytes."""
    count: int
    """Items, as the curator says."""
    bond: int
    """Units held."""
    since: int
    """Height of the block that took it."""
    used: tuple[int, ...]
    """Indices that were drawn, in the order of drawing."""
    round: tuple[Txid, ...]
    """The proposal whose round it is in; empty while it is idle."""
    drawn: tuple[int, ...]
    """Indices to be opened in this round."""
    answered: int
    """Bit i, low first, says that the i-th of them is opened."""
    proven: int
    """Bit i, low first, says that the model's answer to the i-th is proven: it fitted a proof."""
    right: int
    """Bit i, low first, says that this answer was right."""

    @property
    def is_idle(self) -> bool:
        """Whether no round has drawn of it."""
        return not self.round

    @property
    def is_complete(self) -> bool:
        """Whether all that was drawn is opened."""
        return self.answered == (1 << len(self.drawn)) - 1

    @property
    def is_used_up(self) -> bool:
        """Whether nothing more is ever drawn of it."""
        return len(self.used) >= MAX_USED

    def place(self, index: int) -> int | None:
        """The place of an item among those drawn, if it waits there to be opened."""
        if index not in self.drawn:
            return None
        place = self.drawn.index(index)
        return None if self.answered >> place & 1 else place


HIDDEN_SET: Final = Record(
    HiddenSet,
    RECORD_VERSION,
    (
        ("curator", FixedBytes(ADDRESS_BYTES)),
        ("tokenizer", FixedBytes(HASH_BYTES)),
        ("root", FixedBytes(HASH_BYTES)),
        ("count", Unsigned(16)),
        ("bond", Unsigned(63)),
        ("since", Unsigned(32)),
        ("used", Array(Unsigned(16), MAX_USED)),
        ("round", Array(FixedBytes(HASH_BYTES), 1)),
        ("drawn", Array(Unsigned(16), MAX_DRAWN)),
        ("answered", Unsigned(8)),
        ("proven", Unsigned(8)),
        ("right", Unsigned(8)),
    ),
)


@dataclass(frozen=True, slots=True)
class TokenizerSets:
    """The record of a tokenizer: its sets."""

    sets: tuple[Txid, ...]
    """In the order in which they were taken."""


TOKENIZER_SETS: Final = Record(
    TokenizerSets, RECORD_VERSION, (("sets", Array(FixedBytes(HASH_BYTES), MAX_SETS)),)
)


def read_set(data: bytes) -> SetBody:
    """What a curator commits to, from its bytes. Raises CodecError."""
    return decode(SET_BODY, data, limit=MAX_SET_BODY, what="hidden set")


def set_bytes(body: SetBody) -> bytes:
    """The canonical bytes."""
    return encode(SET_BODY, body)


def read_withdrawal(data: bytes) -> WithdrawBody:
    """Which set is taken back, from its bytes. Raises CodecError."""
    return decode(WITHDRAW_BODY, data, limit=MAX_SET_BODY, what="withdrawal of a hidden set")


def withdrawal_bytes(body: WithdrawBody) -> bytes:
    """The canonical bytes."""
    return encode(WITHDRAW_BODY, body)


def hidden_leaf(salt: bytes, item: Item) -> bytes:
    """64 bytes: what stands in the tree for an item; ``salt`` has SALT_BYTES."""
    return tagged_hash(TAG_LEAF, salt, encode(ITEM, item))


def hidden_root(leaves: Sequence[bytes]) -> bytes:
    """64 bytes: what a curator commits to."""
    return merkle_root(TAG_SET, leaves)


def is_leaf_of(
    found: HiddenSet, index: int, salt: bytes, item: Item, path: Sequence[bytes]
) -> bool:
    """Whether the set's item at ``index`` is this one; ``path`` leads from its leaf to the root."""
    leaf = hidden_leaf(salt, item)
    return verify_path(TAG_SET, found.root, found.count, index, leaf, path)


def drawn_items(
    set_id: Txid, seed: bytes, count: int, used: Collection[int], wanted: int
) -> tuple[int, ...]:
    """``wanted`` distinct indices below ``count`` that are not in ``used``, as drawn.

    Fewer if the set ends before: MAX_USED are drawn of it in all. ``count`` is above that.
    """
    stream = Xof(TAG_DRAW, seed, set_id)
    drawn: list[int] = []
    while len(drawn) < min(wanted, MAX_USED - len(used)):
        index = stream.below(count)
        if index not in used and index not in drawn:
            drawn.append(index)
    return tuple(drawn)
