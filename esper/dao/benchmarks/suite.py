"""A benchmark suite: of which form its items are, for which tokenizer, and their root.

id = H(esper/suite/id/v1, SUITE)
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, encode
from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash

TAG_SUITE: Final = make_tag("esper/suite/id/v1")
JOINTS: Final = 4
"""Pieces of text around and between question and answers, as a judge reads them."""
MAX_JOINT: Final = 256
NO_JUDGE: Final = bytes(HASH_BYTES)


class Form(IntEnum):
    """What an item asks for, on the wire."""

    CHOICE = 0
    """One of several tokens, as in MMLU."""
    TEXT = 1
    """A text that ends in what is expected, as in GSM8K."""
    JUDGED = 2
    """A text that another model compares with one that is given, as in MT-Bench."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What a suite's id is the hash of.

    Raises ValueError for an unknown form, and unless judged suites alone have a judge and joints:
    one suite has one id.
    """

    form: int
    """``Form``."""
    judge: bytes
    """64 bytes: model_id of who compares; zeros for the other forms."""
    joints: tuple[tuple[int, ...], ...]
    """J0 to J3, token ids, of a judged suite; J0 begins with BOS."""
    tokenizer: bytes
    """64 bytes: tokenizer_id of the models that it can be asked of."""
    count: int
    """Its items."""
    items_root: bytes
    """64 bytes: see ``item.items_root``."""

    def __post_init__(self) -> None:
        if self.form not in tuple(Form):
            raise ValueError(
                f"form {self.form}, must be one of {', '.join(map(str, map(int, Form)))}"
            )
        judged = self.form == Form.JUDGED
        if judged != (self.judge != NO_JUDGE):
            raise ValueError("judge: judged suites have one, and no others")
        if len(self.joints) != (JOINTS if judged else 0):
            raise ValueError(f"joints: judged suites have {JOINTS}, others none")

    @property
    def id(self) -> bytes:
        """64 bytes: the suite's id. Computed anew at every call."""
        return tagged_hash(TAG_SUITE, encode(SUITE, self))


SUITE: Final = Record(
    Suite,
    None,
    (
        ("form", Unsigned(2)),
        ("judge", FixedBytes(HASH_BYTES)),
        ("joints", Array(Array(Unsigned(32), MAX_JOINT), JOINTS)),
        ("tokenizer", FixedBytes(HASH_BYTES)),
        ("count", Unsigned(16)),
        ("items_root", FixedBytes(HASH_BYTES)),
    ),
)
