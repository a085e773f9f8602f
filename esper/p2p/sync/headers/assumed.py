"""The block that an operator vouches for: below it proofs are not checked.

The network page, section 8. Headers must lead to it before any proof is skipped. On that walk they
are judged as far as the models of their heights are known, which is up to the horizon. Beyond, they
are linked: the id at the end vouches for all of them, and they are judged when their blocks come.
"""

import re
from dataclasses import dataclass
from typing import Final

from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.primitives.errors.header_errors import HeightViolation, UnknownParentViolation
from esper.primitives.ids import BlockId

ID_BYTES: Final = 64
MOST_HEIGHT: Final = (1 << 32) - 1
_FORM: Final = re.compile(r"([1-9][0-9]{0,9}):([0-9a-f]{128})", re.ASCII)


class AssumedTextError(ValueError):
    """A text that names no block so."""

    def __init__(self) -> None:
        super().__init__(
            "must be HEIGHT:ID, such as 120000:3a5f..., the id with all of its 128 hex digits; "
            "`esper block HEIGHT` shows it at a node that you trust"
        )


@dataclass(frozen=True, slots=True)
class AssumedBlock:
    """A block that is taken for proven, with all below it."""

    height: int
    """At least 1."""
    block_id: bytes
    """64 bytes."""


def parse_assumed(text: str) -> AssumedBlock:
    """Read HEIGHT:ID. Raises AssumedTextError."""
    found = _FORM.fullmatch(text)
    if found is None or int(found[1]) > MOST_HEIGHT:
        raise AssumedTextError
    return AssumedBlock(int(found[1]), bytes.fromhex(found[2]))


KEPT_BYTES: Final = 16
"""Of each id: nobody finds another block with the same, 2^128 being too many to try."""


class AssumedPath:
    """The blocks below an assumed one, as far as they were walked."""

    __slots__ = ("_first", "_ids", "began_ms", "tip_id", "top")

    def __init__(self, below: HeaderChain, now: int) -> None:
        """``below`` is where the walk begins."""
        self._first = below.height + 1
        self._ids = bytearray()
        self.began_ms = now
        """When it began."""
        self.tip_id = below.tip_id
        """The last header that was walked."""
        self.top: HeaderChain | None = below
        """Its chain, None beyond the horizon."""

    @property
    def walked(self) -> int:
        """Headers so far."""
        return len(self._ids) // KEPT_BYTES

    @property
    def height(self) -> int:
        """Of the last header that was walked."""
        return self._first - 1 + self.walked

    @property
    def size(self) -> int:
        """Bytes of memory, KEPT_BYTES a block."""
        return len(self._ids)

    def append(self, header: Header) -> None:
        """The next block. Raises UnknownParentViolation, HeightViolation for what is not."""
        pre = header.pre
        if pre.parent != self.tip_id:
            raise UnknownParentViolation(pre.parent)
        if pre.height != self.height + 1:
            raise HeightViolation(pre.height, self.height + 1)
        self.top = None if self.top is None else self.top.extended_by_header(header)
        self.tip_id = header.block_id
        self._ids += self.tip_id[:KEPT_BYTES]

    def holds(self, height: int, block_id: BlockId) -> bool:
        """Whether a block of a height is one of these."""
        place = (height - self._first) * KEPT_BYTES
        return place >= 0 and self._ids[place : place + KEPT_BYTES] == block_id[:KEPT_BYTES]
