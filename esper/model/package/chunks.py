"""Where each chunk of a package stands: file, offset and length, from the manifest alone."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from esper.model.package.errors import ChunkIndexError
from esper.model.package.manifest import Manifest, PackagedFile
from esper.model.package.port import CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """A part of a file."""

    file: PackagedFile
    """Which one."""
    offset: int
    """Its first byte in the file, a multiple of CHUNK_BYTES."""
    length: int
    """Bytes, 1 to CHUNK_BYTES."""


class ChunkPlan:
    """The chunks of a manifest's files. Chunk 0 is the manifest and has no place in a file."""

    def __init__(self, manifest: Manifest) -> None:
        self._files = manifest.files
        # The first chunk of each file.
        self._starts = list(accumulate((one.chunks for one in self._files), initial=1))

    @property
    def count(self) -> int:
        """All chunks, the manifest's among them."""
        return self._starts[-1]

    def place(self, index: int) -> ChunkPlace:
        """Where chunk ``index`` stands, 1 to ``count - 1``. Raises ChunkIndexError."""
        if not 1 <= index < self.count:
            raise ChunkIndexError(index, f"files have chunks 1 to {self.count - 1}")
        number = bisect_right(self._starts, index) - 1
        file = self._files[number]
        offset = (index - self._starts[number]) * CHUNK_BYTES
        return ChunkPlace(file, offset, min(CHUNK_BYTES, file.size - offset))

    def first_chunk(self, number: int) -> int:
        """Index of the first chunk of file ``number``."""
        return self._starts[number]
