"""The block that an operator vouches for: below it proofs are not checked.

The network page, section 8. Headers still are, and they must lead to it before any proof is
skipped.
"""

import re
from dataclasses import dataclass
from typing import Final

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
