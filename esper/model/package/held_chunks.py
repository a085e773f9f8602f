"""Which chunks of a package lie in its folder, and their bytes: of each a digest says it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from esper.model.package.chunks import ChunkPlan
from esper.model.package.digests import chunk_digest
from esper.model.package.errors import (
    ChunkIndexError,
    ChunkMissingError,
    ManifestError,
    PackageDefectError,
)
from esper.model.package.manifest import Manifest, decode_manifest
from esper.model.package.own_files import cut_to, part_of, small_file, sync, write_at, write_whole
from esper.model.package.port import CHUNK_BYTES

MANIFEST: Final = "manifest"
FILES: Final = "files"


class HeldChunks:
    """The chunks of one package. ``PackageFolder`` keeps its threads apart."""

    def __init__(self, folder: Path, root: bytes, digests: tuple[bytes, ...]) -> None:
        self.folder = folder
        """Where they lie; changes when the package is complete."""
        self.digests = digests
        self.manifest: Manifest | None = None
        """The files; None before chunk 0 came."""
        self._root = root
        self._here = bytearray(len(digests))
        self._plan: ChunkPlan | None = None

    @property
    def files(self) -> Path:
        """The folder of the files."""
        return self.folder / FILES

    @property
    def count_here(self) -> int:
        """How many are here."""
        return sum(self._here)

    @property
    def all_here(self) -> bool:
        """Whether none is missing."""
        return all(self._here)

    def has(self, index: int) -> bool:
        """Whether a chunk is here; False for an index that it does not have."""
        return 0 <= index < len(self._here) and bool(self._here[index])

    def missing(self) -> tuple[int, ...]:
        """Indices that may be put now, ascending: the manifest alone until it is here."""
        if not self._here[0]:
            return (0,)
        return tuple(index for index, here in enumerate(self._here) if not here)

    def is_right(self, index: int, data: bytes) -> bool:
        """Whether these are the bytes of a chunk. Raises ChunkIndexError."""
        self._check_index(index)
        return len(data) <= CHUNK_BYTES and chunk_digest(data) == self.digests[index]

    def read(self, index: int) -> bytes | None:
        """A chunk that is here; None if the disk does not hold it as it was, and it is missing.

        Raises ChunkIndexError, ChunkMissingError for one that is not here, and OSError.
        """
        self._check_index(index)
        if not self._here[index]:
            raise ChunkMissingError(index)
        data = self._on_disk(index)
        if data is None or chunk_digest(data) != self.digests[index]:
            self._here[index] = 0
            return None
        return data

    def take_manifest(self, data: bytes) -> None:
        """Chunk 0, right by its digest. Raises PackageDefectError."""
        try:
            manifest = decode_manifest(data)
        except ManifestError as error:
            raise PackageDefectError(self._root, str(error)) from error
        if manifest.chunks != len(self.digests):
            reason = f"its files have {manifest.chunks} chunks, its digests are {len(self.digests)}"
            raise PackageDefectError(self._root, reason)
        self.manifest, self._plan = manifest, ChunkPlan(manifest)
        self._here[0] = 1

    def write_manifest(self, data: bytes) -> None:
        """Raises OSError."""
        write_whole(self.folder / MANIFEST, data)

    def write(self, index: int, data: bytes) -> None:
        """A chunk of a file, right by its digest.

        Raises ChunkIndexError before the manifest came, PackageDefectError and OSError.
        """
        if self._plan is None:
            raise ChunkIndexError(index, "the manifest, chunk 0, is to come first")
        place = self._plan.place(index)
        if len(data) != place.length:
            reason = f"chunk {index} has {len(data)} bytes, by the manifest {place.length}"
            raise PackageDefectError(self._root, reason)
        write_at(self.files / place.file.text, place.offset, data)
        self._here[index] = 1

    def believe_all(self) -> None:
        """Take all to be here: each is checked when somebody asks for it."""
        self._here = bytearray(b"\1") * len(self.digests)

    def look(self) -> None:
        """Find what is here, once the manifest is: reads every chunk. Raises OSError."""
        for index in range(1, len(self.digests)):
            data = self._on_disk(index)
            self._here[index] = data is not None and chunk_digest(data) == self.digests[index]

    def look_again(self) -> None:
        """As ``look``; the manifest is written again where the disk changed it. Raises OSError."""
        assert self.manifest is not None
        first = self.manifest.to_bytes()
        if self._on_disk(0) != first:
            self.write_manifest(first)
        self.look()
        for one in self.manifest.files:
            with suppress(FileNotFoundError):
                cut_to(self.files / one.text, one.size)

    def sync(self) -> None:
        """Have the files on the disk for good, each as long as it is. Raises OSError."""
        assert self.manifest is not None
        for one in self.manifest.files:
            cut_to(self.files / one.text, one.size)
            sync(self.files / one.text)
        sync(self.files)

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self.digests):
            raise ChunkIndexError(index, f"the package has chunks 0 to {len(self.digests) - 1}")

    def _on_disk(self, index: int) -> bytes | None:
        if index == 0:
            return small_file(self.folder / MANIFEST, CHUNK_BYTES)
        assert self._plan is not None
        place = self._plan.place(index)
        return part_of(self.files / place.file.text, place.offset, place.length)
