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
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Final

from esper.model.package.chunks import ChunkPlan
from esper.model.package.digests import checked_digests, chunk_digest
from esper.model.package.errors import (
    ChunkDigestError,
    ChunkIndexError,
    ChunkMissingError,
    DigestListError,
    ManifestError,
    PackageDefectError,
)
from esper.model.package.manifest import Manifest, decode_manifest
from esper.model.package.own_files import (
    cut_to,
    part_of,
    small_file,
    sync,
    write_at,
    write_whole,
)
from esper.model.package.port import CHUNK_BYTES, DIGEST_BYTES, MAX_CHUNKS

PART: Final = ".part"
"""How the folder of a package on its way ends."""
DIGESTS: Final = "digests"
MANIFEST: Final = "manifest"
FILES: Final = "files"
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
        self.folder = folder
        """Where it lies; changes when it is complete."""
        self._elsewhere = elsewhere
        self._root = root
        self._digests = digests
        self._index = {digest: index for index, digest in enumerate(digests)}
        self._here = bytearray(len(digests))
        self._plan: ChunkPlan | None = None
        self._manifest: Manifest | None = None
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
            if first is None or chunk_digest(first) != package._digests[0]:
                return package
            package._take_manifest(first)
        except (DigestListError, PackageDefectError):
            return None
        if folder.name.endswith(PART):
            package._look()
        else:
            package._here = bytearray(b"\1") * len(package._digests)
        return package

    @property
    def root(self) -> bytes:
        """64 bytes: its name."""
        return self._root

    @property
    def digests(self) -> bytes:
        """The list as it goes over the wire."""
        return b"".join(self._digests)

    @property
    def manifest(self) -> Manifest | None:
        """Its files; None before chunk 0 came."""
        return self._manifest

    @property
    def files(self) -> Path:
        """The folder of its files; a model's folder once the package is complete."""
        return self.folder / FILES

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing and it lies at its last place."""
        return all(self._here) and not self.folder.name.endswith(PART)

    @property
    def chunks_here(self) -> int:
        """How many of its chunks are here."""
        return sum(self._here)

    @property
    def most_bytes(self) -> int:
        """What it takes when it is whole, as far as is known: at most so much."""
        overhead = len(self._digests) * DIGEST_BYTES + CHUNK_BYTES
        if self._manifest is None:
            return overhead + (len(self._digests) - 1) * CHUNK_BYTES
        return overhead + self._manifest.size

    def digest_count(self) -> int:
        """All chunks, the manifest among them."""
        return len(self._digests)

    def index_of(self, digest: bytes) -> int | None:
        """The chunk of that digest; None if it has none."""
        return self._index.get(digest)

    def has(self, index: int) -> bool:
        """Whether a chunk is here; False for an index that it does not have."""
        return 0 <= index < len(self._here) and bool(self._here[index])

    def missing(self) -> tuple[int, ...]:
        """Indices that may be put now, ascending: the manifest alone until it is here."""
        if not self._here[0]:
            return (0,)
        return tuple(index for index, here in enumerate(self._here) if not here)

    def get(self, index: int) -> bytes:
        """A chunk. Raises ChunkIndexError, ChunkMissingError and OSError.

        It is checked again: what the disk does not hold as it was is missing from then on.
        """
        self._check_index(index)
        if not self._here[index]:
            raise ChunkMissingError(index)
        data = self._on_disk(index)
        if data is None or chunk_digest(data) != self._digests[index]:
            self._lose(index)
            raise ChunkMissingError(index)
        return data

    def put(self, index: int, data: bytes) -> None:
        """Keep a chunk that came; with the manifest, what ``elsewhere`` has of the others.

        Raises ChunkDigestError, ChunkIndexError, PackageDefectError and OSError.
        """
        self._check_index(index)
        if len(data) > CHUNK_BYTES or chunk_digest(data) != self._digests[index]:
            raise ChunkDigestError(index)
        with self._lock:
            if self._here[index]:
                return
            if index == 0:
                self._take_manifest(data)
                write_whole(self.folder / MANIFEST, data)
                if self._elsewhere is not None:
                    self._adopt(self._elsewhere)
                return
            if self._plan is None:
                raise ChunkIndexError(index, "the manifest, chunk 0, is to come first")
            place = self._plan.place(index)
            if len(data) != place.length:
                reason = f"chunk {index} has {len(data)} bytes, by the manifest {place.length}"
                raise PackageDefectError(self._root, reason)
            write_at(self.files / place.file.text, place.offset, data)
            self._here[index] = 1

    def complete(self) -> Path:
        """Have it on disk for good, at its last place; return the folder of its files.

        Raises ChunkMissingError while something is missing, and OSError.
        """
        with self._lock:
            gone = self.missing()
            if gone:
                raise ChunkMissingError(gone[0])
            if self.is_whole:
                return self.files
            assert self._manifest is not None
            for one in self._manifest.files:
                cut_to(self.files / one.text, one.size)
                sync(self.files / one.text)
            sync(self.files)
            sync(self.folder)
            place = self.folder.with_name(self.folder.name.removesuffix(PART))
            self.folder.rename(place)
            self.folder = place
            sync(place.parent)
            return self.files

    def look_again(self) -> bool:
        """Whether all of it is still on the disk as it came; reads every chunk.

        What is not is missing from then on, and the package on its way again, to be fetched.
        Raises OSError.
        """
        with self._lock:
            if self._manifest is None:
                return False
            first = self._manifest.to_bytes()
            if self._on_disk(0) != first:
                write_whole(self.folder / MANIFEST, first)
            self._look()
            for one in self._manifest.files:
                with suppress(FileNotFoundError):
                    cut_to(self.files / one.text, one.size)
            if not self.missing():
                return True
            (self.folder / VERIFIED).unlink(missing_ok=True)
            if not self.folder.name.endswith(PART):
                place = self.folder.with_name(self.folder.name + PART)
                self.folder.rename(place)
                self.folder = place
                sync(place.parent)
            return False

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self._digests):
            raise ChunkIndexError(index, f"the package has chunks 0 to {len(self._digests) - 1}")

    def _take_manifest(self, data: bytes) -> None:
        try:
            manifest = decode_manifest(data)
        except ManifestError as error:
            raise PackageDefectError(self._root, str(error)) from error
        if manifest.chunks != len(self._digests):
            reason = (
                f"its files have {manifest.chunks} chunks, its digests are {self.digest_count()}"
            )
            raise PackageDefectError(self._root, reason)
        self._manifest, self._plan = manifest, ChunkPlan(manifest)
        self._here[0] = 1

    def _look(self) -> None:
        """Find what is here of a package on its way."""
        for index in range(1, len(self._digests)):
            data = self._on_disk(index)
            self._here[index] = data is not None and chunk_digest(data) == self._digests[index]

    def _on_disk(self, index: int) -> bytes | None:
        if index == 0:
            return small_file(self.folder / MANIFEST, CHUNK_BYTES)
        assert self._plan is not None
        place = self._plan.place(index)
        return part_of(self.files / place.file.text, place.offset, place.length)

    def _lose(self, index: int) -> None:
        self._here[index] = 0
        (self.folder / VERIFIED).unlink(missing_ok=True)

    def _adopt(self, elsewhere: Elsewhere) -> None:
        for index in self.missing():
            data = elsewhere(self._digests[index])
            if data is not None:
                self.put(index, data)
