"""A package on disk, whole or on its way: what of it is here, and nothing that a kill can break.

    FOLDER/digests       the list that has the package's root
    FOLDER/manifest      chunk 0, once it came
    FOLDER/files/NAME    the files; parts that did not come yet are holes
    FOLDER/verified      written when the checks of a node passed

No note is kept of which chunks came: a digest says it, of the bytes as they lie on the disk. So
a process may be killed at any instruction, and a machine may lose its power: what was not written
to the end has another digest and counts as missing. A package on its way lies in a folder whose
name ends in `.part`; ``complete`` gives it the name without, in one step.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import RLock
from typing import Final

from esper.model.package.digests import checked_digests, chunk_digest
from esper.model.package.errors import (
    ChunkDigestError,
    ChunkMissingError,
    DigestListError,
    PackageDefectError,
)
from esper.model.package.held_chunks import FILES, MANIFEST, HeldChunks
from esper.model.package.manifest import Manifest
from esper.model.package.own_files import small_file, sync, write_whole
from esper.model.package.port import CHUNK_BYTES, DIGEST_BYTES, MAX_CHUNKS

PART: Final = ".part"
"""How the folder of a package on its way ends."""
DIGESTS: Final = "digests"
VERIFIED: Final = "verified"

Elsewhere = Callable[[bytes], bytes | None]
"""A chunk by its digest, from another package on this disk."""


class PackageFolder:
    """One package in its folder; what the network sees of it is ``port.PackageChunks``.

    Made by ``open`` and ``create``. Threads may share it.
    """

    def __init__(
        self,
        folder: Path,
        root: bytes,
        digests: tuple[bytes, ...],
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._held = HeldChunks(folder, root, digests)
        self._elsewhere = elsewhere
        self._root = root
        self._index = {digest: index for index, digest in enumerate(digests)}
        self._lock = RLock()

    @classmethod
    def create(
        cls, folder: Path, root: bytes, digests: bytes, elsewhere: Elsewhere | None = None
    ) -> PackageFolder:
        """Begin a package, with what ``elsewhere`` has of it once the manifest came.

        What a folder without its list holds is kept as far as it is right.

        Raises DigestListError for a list that is not the package's, and OSError.
        """
        found = checked_digests(root, digests)
        (folder / FILES).mkdir(parents=True, exist_ok=True)
        write_whole(folder / DIGESTS, digests)
        sync(folder.parent)
        return cls.open(folder, root, elsewhere) or cls(folder, root, found, elsewhere)

    @classmethod
    def open(
        cls, folder: Path, root: bytes, elsewhere: Elsewhere | None = None
    ) -> PackageFolder | None:
        """A package that lies here; None if the folder holds none. Raises OSError.

        Of one on its way every chunk on the disk is read and checked. Of a whole one each is
        checked when somebody asks for it.
        """
        digests = small_file(folder / DIGESTS, MAX_CHUNKS * DIGEST_BYTES)
        try:
            package = cls(folder, root, checked_digests(root, digests or b""), elsewhere)
            first = small_file(folder / MANIFEST, CHUNK_BYTES)
            if first is None or chunk_digest(first) != package._held.digests[0]:
                return package
            package._held.take_manifest(first)
        except (DigestListError, PackageDefectError):
            return None
        if folder.name.endswith(PART):
            package._held.look()
        else:
            package._held.believe_all()
        return package

    @property
    def root(self) -> bytes:
        """64 bytes: its name."""
        return self._root

    @property
    def folder(self) -> Path:
        """Where it lies; changes when it is complete."""
        return self._held.folder

    @property
    def digests(self) -> bytes:
        """The list as it goes over the wire."""
        return b"".join(self._held.digests)

    @property
    def manifest(self) -> Manifest | None:
        """Its files; None before chunk 0 came."""
        return self._held.manifest

    @property
    def files(self) -> Path:
        """The folder of its files; a model's folder once the package is complete."""
        return self._held.files

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing and it lies at its last place."""
        return self._held.all_here and not self.folder.name.endswith(PART)

    @property
    def chunks_here(self) -> int:
        """How many of its chunks are here."""
        return self._held.count_here

    @property
    def most_bytes(self) -> int:
        """What it takes when it is whole, as far as is known: at most so much."""
        overhead = self.digest_count() * DIGEST_BYTES + CHUNK_BYTES
        if self.manifest is None:
            return overhead + (self.digest_count() - 1) * CHUNK_BYTES
        return overhead + self.manifest.size

    def digest_count(self) -> int:
        """All chunks, the manifest among them."""
        return len(self._held.digests)

    def index_of(self, digest: bytes) -> int | None:
        """The chunk of that digest; None if it has none."""
        return self._index.get(digest)

    def has(self, index: int) -> bool:
        """Whether a chunk is here; False for an index that it does not have."""
        return self._held.has(index)

    def missing(self) -> tuple[int, ...]:
        """Indices that may be put now, ascending: the manifest alone until it is here."""
        return self._held.missing()

    def get(self, index: int) -> bytes:
        """A chunk. Raises ChunkIndexError, ChunkMissingError and OSError.

        It is checked again: what the disk does not hold as it was is missing from then on.
        """
        data = self._held.read(index)
        if data is None:
            self._is_not_verified()
            raise ChunkMissingError(index)
        return data

    def put(self, index: int, data: bytes) -> None:
        """Keep a chunk that came; with the manifest, what ``elsewhere`` has of the others.

        Raises ChunkDigestError, ChunkIndexError, PackageDefectError and OSError.
        """
        if not self._held.is_right(index, data):
            raise ChunkDigestError(index)
        with self._lock:
            if self._held.has(index):
                return
            if index:
                self._held.write(index, data)
                return
            self._held.take_manifest(data)
            self._held.write_manifest(data)
            if self._elsewhere is not None:
                self._adopt(self._elsewhere)

    def complete(self) -> Path:
        """Have it on disk for good, at its last place; return the folder of its files.

        Raises ChunkMissingError while something is missing, and OSError.
        """
        with self._lock:
            gone = self.missing()
            if gone:
                raise ChunkMissingError(gone[0])
            if not self.is_whole:
                self._held.sync()
                sync(self.folder)
                self._move(self.folder.name.removesuffix(PART))
            return self.files

    def look_again(self) -> bool:
        """Whether all of it is still on the disk as it came; reads every chunk.

        What is not is missing from then on, and the package on its way again, to be fetched.
        Raises OSError.
        """
        with self._lock:
            if self.manifest is None:
                return False
            self._held.look_again()
            if not self.missing():
                return True
            self._is_not_verified()
            if not self.folder.name.endswith(PART):
                self._move(self.folder.name + PART)
            return False

    def _move(self, name: str) -> None:
        place = self.folder.with_name(name)
        self.folder.rename(place)
        self._held.folder = place
        sync(place.parent)

    def _is_not_verified(self) -> None:
        (self.folder / VERIFIED).unlink(missing_ok=True)

    def _adopt(self, elsewhere: Elsewhere) -> None:
        for index in self.missing():
            data = elsewhere(self._held.digests[index])
            if data is not None:
                self.put(index, data)
