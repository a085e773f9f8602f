"""The package ``gguf``'s reader, bounded by the file that it reads; imported only where needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from gguf import GGUFReader

MOST_VALUES: Final = 1 << 21
"""Values of all fields together: each is an array of its own to the package. A vocabulary of
2^18 tokens with its types and merges has half as many."""


class BoundedReader(GGUFReader):
    """Refuses lengths that the file does not hold.

    The package takes what a slice beyond the end has, so a list of 2^60 numbers in a file of a
    hundred bytes would be read for ever.
    """

    def __init__(self, path: Path) -> None:
        self._values = 0
        super().__init__(path)

    def _get(
        self,
        offset: int,
        dtype: Any,
        count: int = 1,
        override_order: Literal["I", "S", "<"] | None = None,
    ) -> Any:
        """Read as the package does. Raises ValueError beyond the end, and for too many values."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise ValueError(f"its fields hold more than {MOST_VALUES:,} values")
        found = super()._get(offset, dtype, count, override_order)
        if len(found) != int(count):
            raise ValueError(f"{int(count):,} values are said to begin at byte {offset:,}")
        return found
