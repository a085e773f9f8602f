"""The models of a data directory: packages, whole and on their way, within a budget of disk.

    models/lock            held by the one program that writes here
    models/ROOT            a whole package, named by its root in hexadecimal
    models/ROOT.part       one on its way
    models/ROOT.gone       one that is being deleted

A package is named by its root and not by its model: a longer bank for the same model is another
package, and both are needed while one follows the other. Chunks that they share are taken from the
disk and not fetched twice.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Final

from esper.model.package.digests import checked_digests
from esper.model.package.disk_rules import DiskRules
from esper.model.package.errors import (
    ChunkMissingError,
    DiskBudgetError,
    StoreInUseError,
    UnknownModelError,
)
from esper.model.package.kept_folder import ROOT_NAME
from esper.model.package.manifest import Manifest
from esper.model.package.own_files import small_file, write_whole
from esper.model.package.package import Progress, chunks_of, pack
from esper.model.package.port import CHUNK_BYTES, DIGEST_BYTES
from esper.model.package.staging import PART, VERIFIED, PackageFolder
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId

FOLDER: Final = "models"
"""Within a data directory."""
LOCK: Final = "lock"
GONE: Final = ".gone"


@dataclass(frozen=True, slots=True)
class KeptPackage:
    """What the store says of one package."""

    root: bytes
    """64 bytes."""
    model_id: ModelId | None
    """What the checks of this node found it to be; None before they passed."""
    chunks: int
    """All of it."""
    chunks_here: int
    """What of it is here."""
    size: int | None
    """Bytes of its files; None before the manifest came."""
    whole: bool
    """Whether a model can be loaded from it."""

    @property
    def verified(self) -> bool:
        """Whether the checks of this node passed."""
        return self.model_id is not None


class ModelStore:
    """The packages of a data directory, for one program at a time; ``port.PackageShelf``.

    Made by ``opened``. Threads may share it.
    """

    def __init__(self, folder: Path, rules: DiskRules) -> None:
        self.folder = folder
        """`models` of the data directory."""
        self._rules = rules
        self._lock = RLock()
        self._packages: dict[bytes, PackageFolder] = {}
        self._load()

    @classmethod
    @contextmanager
    def opened(cls, datadir: Path, rules: DiskRules | None = None) -> Iterator[ModelStore]:
        """The store of a data directory, held while the block runs.

        Packages on their way are read and checked. Raises StoreInUseError and OSError.
        """
        folder = datadir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        held = os.open(folder / LOCK, flags, 0o644)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreInUseError(folder) from error
            yield cls(folder, rules or DiskRules())
        finally:
            os.close(held)

    def find(self, root: bytes) -> PackageFolder | None:
        """The package of that name, whole or in part; None if nothing of it is here."""
        with self._lock:
            return self._packages.get(root)

    def begin(self, root: bytes, digests: bytes) -> PackageFolder:
        """A package to be fetched, or the one that is here, as far as it is.

        Raises DigestListError, DiskBudgetError before anything is written, and OSError.
        """
        with self._lock:
            found = self._packages.get(root)
            if found is not None:
                return found
            count = len(checked_digests(root, digests))
            self._check_room(count * (CHUNK_BYTES + DIGEST_BYTES))
            return self._begin(root, digests)

    def take_in(
        self, folder: Path, more: tuple[str, ...] = (), progress: Progress | None = None
    ) -> PackageFolder:
        """The package of a folder on this machine, copied into the store and whole.

        Raises MissingFileError, ManifestError, DiskBudgetError and OSError.
        """
        made = pack(folder, more, progress)
        with self._lock:
            kept = self._packages.get(made.root)
            if kept is None:
                self._check_room(made.manifest.size + len(made.digests) * DIGEST_BYTES)
                kept = self._begin(made.root, b"".join(made.digests))
            kept.put(0, made.manifest.to_bytes())
            index = 1
            for one in made.manifest.files:
                for chunk in chunks_of(folder, one):
                    kept.put(index, chunk)
                    index += 1
            kept.complete()
            return kept

    def kept(self) -> tuple[KeptPackage, ...]:
        """What lies here, by root. Raises OSError."""
        with self._lock:
            return tuple(self._told(one) for _, one in sorted(self._packages.items()))

    def files_of(self, root: bytes) -> Path:
        """The folder that a whole package's model is loaded from.

        Raises UnknownModelError while it is not whole.
        """
        found = self.find(root)
        if found is None or not found.is_whole:
            raise UnknownModelError(root.hex(), "it is not here, or not all of it; fetch it first")
        return found.files

    def verified_as(self, root: bytes, model_id: ModelId) -> None:
        """Note that this node's checks passed. Raises UnknownModelError and OSError."""
        self.files_of(root)
        found = self._packages[root]
        write_whole(found.folder / VERIFIED, model_id)

    def roots_of(self, model_id: ModelId) -> tuple[bytes, ...]:
        """Whole packages that the checks found to be this model: banks may differ."""
        kept = self.kept()
        return tuple(one.root for one in kept if one.whole and one.model_id == model_id)

    def delete(self, root: bytes) -> None:
        """Take a package away, whole or on its way. Raises UnknownModelError and OSError."""
        with self._lock:
            found = self._packages.pop(root, None)
            if found is None:
                raise UnknownModelError(root.hex(), "it is not here")
            # At once out of sight, then for good: a kill between leaves no half of a package.
            gone = self._place(root, GONE)
            found.folder.rename(gone)
            shutil.rmtree(gone)

    def _load(self) -> None:
        for place in sorted(self.folder.iterdir()):
            name, dot, end = place.name.partition(".")
            if not ROOT_NAME.fullmatch(name) or place.is_symlink() or not place.is_dir():
                continue
            if dot + end == GONE:
                shutil.rmtree(place)
            elif dot + end in ("", PART) and bytes.fromhex(name) not in self._packages:
                root = bytes.fromhex(name)
                found = PackageFolder.open(place, root, self._chunk)
                if found is not None:
                    self._packages[root] = found

    def _begin(self, root: bytes, digests: bytes) -> PackageFolder:
        place, whole = self._place(root, PART), self._place(root, "")
        if whole.is_dir() and not place.exists():
            # A whole one whose list is damaged: what is right of it need not come again.
            whole.rename(place)
        made = PackageFolder.create(place, root, digests, self._chunk)
        self._packages[root] = made
        return made

    def _place(self, root: bytes, end: str) -> Path:
        return self.folder / (root.hex() + end)

    def _check_room(self, needed: int) -> None:
        packages = self._packages.values()
        left = self._rules.budget - sum(one.most_bytes for one in packages)
        if needed > left:
            remedy = "delete a package that no tier needs, or raise the budget of models"
            raise DiskBudgetError(needed, max(0, left), remedy)
        coming = sum((one.digest_count() - one.chunks_here) * CHUNK_BYTES for one in packages)
        left = self._rules.free(self.folder) - self._rules.reserve - coming
        if needed > left:
            raise DiskBudgetError(needed, max(0, left), "free some space on the disk")

    def _chunk(self, digest: bytes) -> bytes | None:
        """A chunk by its digest from any package that has it."""
        for one in tuple(self._packages.values()):
            index = one.index_of(digest)
            if index is not None and one.has(index):
                with suppress(ChunkMissingError):
                    return one.get(index)
        return None

    def _told(self, one: PackageFolder) -> KeptPackage:
        note = small_file(one.folder / VERIFIED, HASH_BYTES)
        known = note is not None and len(note) == HASH_BYTES
        manifest: Manifest | None = one.manifest
        return KeptPackage(
            root=one.root,
            model_id=ModelId(note) if note is not None and known else None,
            chunks=one.digest_count(),
            chunks_here=one.chunks_here,
            size=None if manifest is None else manifest.size,
            whole=one.is_whole,
        )
