"""What a proposal says: its body on the wire, by subject.

Bodies are read strictly, as everything is, and have no version of their own: a later form is
another subject. Texts are printable ASCII; lists that name things ascend, so that one proposal has
one form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper.dao.entry_records import MODEL_ENTRY, PUZZLE
from esper.dao.registry import Puzzle
from esper.primitives.codec import Array, CodecError, FixedBytes, Record, Unsigned, VarBytes, decode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry

MAX_BODY_BYTES: Final = 57_344
MAX_DESCRIPTOR_BYTES: Final = 49_152
MAX_SUITES: Final = 4
MAX_CHANGED: Final = 8
MAX_TEXTS: Final = 4
SHORT_TEXT: Final = 64
LINK: Final = 128


@dataclass(frozen=True, slots=True)
class NamedSuite:
    """A benchmark suite that reports on a model are about."""

    text: bytes
    """64 bytes: hash of the text that it is made from."""
    suite: bytes
    """64 bytes: the suite's id."""
    count: int
    """Its items."""


@dataclass(frozen=True, slots=True)
class ModelBody:
    """Subject 1: another model or a longer bank for a tier, or a new tier.

    Raises ValueError for texts that are not printable ASCII.
    """

    entry: ModelEntry
    """``entry.tier`` is the tier."""
    omega: int
    """16.16."""
    share: int
    """Of a new tier, 16.16; else 0."""
    puzzle: Puzzle
    """Its ticket."""
    descriptor: bytes
    """What ``entry.model_id`` is the hash of."""
    package: bytes
    """64 bytes: root over the digests of its files."""
    bank_text: bytes
    """64 bytes: root over the texts of its bank."""
    suites: tuple[NamedSuite, ...]
    licence: bytes
    name: bytes
    link: bytes

    def __post_init__(self) -> None:
        for name in ("licence", "name", "link"):
            _check_printable(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class ChangeBody:
    """Subject 2: parameters, shares, omegas, the end of a tier.

    Raises ValueError for an empty change, for lists that do not ascend, and for a link that is not
    printable ASCII.
    """

    settings: tuple["Moved", ...]
    """Keys and values."""
    shares: tuple["Moved", ...]
    """Tiers and their shares, 16.16."""
    omegas: tuple["Moved", ...]
    """Tiers and their omegas, 16.16."""
    retire: tuple[int, ...]
    """At most one tier."""
    texts: tuple[tuple[bytes, ...], ...]
    """At most one list, of 64-byte hashes: what a model's first suites must be made from."""
    link: bytes

    def __post_init__(self) -> None:
        for name in ("settings", "shares", "omegas"):
            _check_ascending(name, [one.of for one in getattr(self, name)])
        if not (self.settings or self.shares or self.omegas or self.retire or self.texts):
            raise ValueError("a change that changes nothing")
        _check_printable("link", self.link)


@dataclass(frozen=True, slots=True)
class Moved:
    """A key or a tier, and what it is to have."""

    of: int
    to: int


@dataclass(frozen=True, slots=True)
class RollbackBody:
    """Subject 3: a model is not activated, or taken back."""

    proposal: Txid
    """The model's proposal."""


_ID: Final = FixedBytes(HASH_BYTES)


def _moved(of: int, to: int) -> Array[Moved]:
    pair = Record(Moved, None, (("of", Unsigned(of)), ("to", Unsigned(to))))
    return Array(pair, MAX_CHANGED)


MODEL_BODY: Final = Record(
    ModelBody,
    None,
    (
        ("entry", MODEL_ENTRY),
        ("omega", Unsigned(64)),
        ("share", Unsigned(17)),
        ("puzzle", PUZZLE),
        ("descriptor", VarBytes(MAX_DESCRIPTOR_BYTES)),
        ("package", _ID),
        ("bank_text", _ID),
        (
            "suites",
            Array(
                Record(NamedSuite, None, (("text", _ID), ("suite", _ID), ("count", Unsigned(16)))),
                MAX_SUITES,
            ),
        ),
        ("licence", VarBytes(SHORT_TEXT)),
        ("name", VarBytes(SHORT_TEXT)),
        ("link", VarBytes(LINK)),
    ),
)
CHANGE_BODY: Final = Record(
    ChangeBody,
    None,
    (
        ("settings", _moved(16, 63)),
        ("shares", _moved(8, 17)),
        ("omegas", _moved(8, 64)),
        ("retire", Array(Unsigned(8), 1)),
        ("texts", Array(Array(_ID, MAX_TEXTS), 1)),
        ("link", VarBytes(LINK)),
    ),
)
ROLLBACK_BODY: Final = Record(RollbackBody, None, (("proposal", _ID),))

Body = ModelBody | ChangeBody | RollbackBody
BODIES: Final[dict[int, Record[Body]]] = {1: MODEL_BODY, 2: CHANGE_BODY, 3: ROLLBACK_BODY}  # type: ignore[dict-item]
"""By subject."""


def read_body(subject: int, data: bytes) -> Body:
    """A body from its bytes. Raises CodecError for an unknown subject, or bytes that are none."""
    codec = BODIES.get(subject)
    if codec is None:
        raise CodecError(
            f"proposal.subject: {subject}, must be one of {', '.join(map(str, BODIES))}", 0
        )
    return decode(codec, data, limit=MAX_BODY_BYTES, what="proposal body")


def _check_printable(name: str, text: bytes) -> None:
    if not all(0x20 <= byte <= 0x7E for byte in text):
        raise ValueError(f"{name} must be printable ASCII")


def _check_ascending(name: str, values: Sequence[int]) -> None:
    if any(after <= before for before, after in pairwise(values)):
        raise ValueError(f"{name} must ascend")
