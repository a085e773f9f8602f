"""Messages about packages of models: the list of digests, who has which chunks, and chunks.

Nobody is asked who did not say ``peer.CHUNKS``: whoever does not know these types would take them
for an offence.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from esper.p2p.limits import (
    CHUNK_BYTES,
    DIGEST_BYTES,
    HOLDINGS_BYTES,
    MOST_CHUNKS,
    MOST_PAGES,
    PAGE_BYTES,
    PAGE_DIGESTS,
)
from esper.p2p.wire.fields import ID, NUMBER
from esper.p2p.wire.talk_messages import NumberedRequest
from esper.primitives.codec import Record, Unsigned, VarBytes


def pages_of(count: int) -> int:
    """How many pages a list of so many digests has."""
    return -(-count // PAGE_DIGESTS)


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_CHUNKS:
        raise ValueError(f"count is {count}, must be 1 to {MOST_CHUNKS}")


def _check_index(index: int) -> None:
    if index >= MOST_CHUNKS:
        raise ValueError(f"index is {index}, must be below {MOST_CHUNKS}")


@dataclass(frozen=True, slots=True)
class GetDigests(NumberedRequest):
    """Asks for a page of a package's list of digests."""

    root: bytes
    """64 bytes: the package."""
    page: int
    """0 to 15."""

    TYPE: ClassVar[int] = 16

    def __post_init__(self) -> None:
        if self.page >= MOST_PAGES:
            raise ValueError(f"page is {self.page}, must be below {MOST_PAGES}")


@dataclass(frozen=True, slots=True)
class GetHoldings(NumberedRequest):
    """Asks which chunks of a package the other side has."""

    root: bytes
    """64 bytes: the package."""

    TYPE: ClassVar[int] = 17


@dataclass(frozen=True, slots=True)
class GetChunk(NumberedRequest):
    """Asks for one chunk."""

    root: bytes
    """64 bytes: the package."""
    index: int
    """Below 65,536; 0 is the manifest."""

    TYPE: ClassVar[int] = 50

    def __post_init__(self) -> None:
        _check_index(self.index)


@dataclass(frozen=True, slots=True)
class Digests:
    """A page of a list of digests; the list holds only as a whole, against the root."""

    number: int
    """The request's."""
    root: bytes
    """64 bytes: the package."""
    page: int
    """As asked."""
    count: int
    """Digests of the whole list, 1 to 65,536."""
    digests: bytes
    """32 bytes each: 4,096 of them, or those of the last page."""

    TYPE: ClassVar[int] = 40

    def __post_init__(self) -> None:
        _check_count(self.count)
        here = min(PAGE_DIGESTS, self.count - self.page * PAGE_DIGESTS)
        if here <= 0:
            raise ValueError(f"page {self.page} is beyond a list of {self.count}")
        if len(self.digests) != here * DIGEST_BYTES:
            raise ValueError(
                f"page {self.page} of a list of {self.count} has {len(self.digests)} bytes, "
                f"must have {here * DIGEST_BYTES}"
            )


@dataclass(frozen=True, slots=True)
class Holdings:
    """Which chunks the sender has."""

    number: int
    """The request's."""
    root: bytes
    """64 bytes: the package."""
    count: int
    """Chunks of the package, 1 to 65,536."""
    bits: bytes
    """Chunk i is bit i % 8 of byte i // 8; bits behind the last chunk are 0."""

    TYPE: ClassVar[int] = 41

    def __post_init__(self) -> None:
        _check_count(self.count)
        size = (self.count + 7) // 8
        if len(self.bits) != size:
            raise ValueError(f"bits of {self.count} chunks have {len(self.bits)} bytes, not {size}")
        if self.count % 8 and self.bits[-1] >> self.count % 8:
            raise ValueError(f"bits behind chunk {self.count - 1} must be 0")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk that was asked for."""

    number: int
    """The request's."""
    root: bytes
    """64 bytes: the package."""
    index: int
    """As asked."""
    data: bytes
    """At most a MiB."""

    TYPE: ClassVar[int] = 51

    def __post_init__(self) -> None:
        _check_index(self.index)


PAGE: Final = Unsigned(8)
COUNT: Final = Unsigned(32)
INDEX: Final = Unsigned(32)

GET_DIGESTS: Final = Record(GetDigests, 1, (("number", NUMBER), ("root", ID), ("page", PAGE)))
GET_HOLDINGS: Final = Record(GetHoldings, 1, (("number", NUMBER), ("root", ID)))
GET_CHUNK: Final = Record(GetChunk, 1, (("number", NUMBER), ("root", ID), ("index", INDEX)))
DIGESTS: Final = Record(
    Digests,
    1,
    (
        ("number", NUMBER),
        ("root", ID),
        ("page", PAGE),
        ("count", COUNT),
        ("digests", VarBytes(PAGE_BYTES)),
    ),
)
HOLDINGS: Final = Record(
    Holdings,
    1,
    (("number", NUMBER), ("root", ID), ("count", COUNT), ("bits", VarBytes(HOLDINGS_BYTES))),
)
CHUNK: Final = Record(
    Chunk,
    1,
    (("number", NUMBER), ("root", ID), ("index", INDEX), ("data", VarBytes(CHUNK_BYTES))),
)
