"""What can be wrong with a package, with what is fetched of it, and with the place it lies in."""

from __future__ import annotations

from pathlib import Path

from esper.model.errors import MachineError, ModelError


class PackageError(ModelError):
    """Base of every error about packages."""


class ManifestError(PackageError):
    """Bytes that are no manifest, or one that no package may have."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"package manifest: {reason}")


class FileChangedError(ManifestError, MachineError):
    """A file that became another while it was read."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__(f"{name} became {how} while it was read; pack it again")


class DigestListError(PackageError):
    """A list of digests that is not the package's: whoever sent it is to blame."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"package digests: {reason}")


class ChunkDigestError(PackageError):
    """A chunk that is not what the package says: whoever sent it is to blame."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"chunk {index} is not the package's: its digest is another")


class ChunkIndexError(PackageError):
    """A package has no such chunk, or it cannot be placed before the manifest is here."""

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        super().__init__(f"chunk {index}: {reason}")


class ChunkMissingError(PackageError):
    """A chunk that is not here yet."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"chunk {index} is not here")


class PackageDefectError(PackageError):
    """The package itself cannot be: no sender is to blame, and nobody can fetch it."""

    def __init__(self, root: bytes, reason: str) -> None:
        self.root = root
        super().__init__(f"package {root.hex()[:16]}… cannot be: {reason}; do not fetch it")


class DiskBudgetError(PackageError):
    """There is no room for a package; nothing was begun."""

    def __init__(self, needed: int, free: int, remedy: str) -> None:
        self.needed = needed
        self.free = free
        super().__init__(f"the package needs {needed:,} bytes, {free:,} are free; {remedy}")


class StoreInUseError(PackageError):
    """Another process holds the store of models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(
            f"{folder} is used by another program: end it first (a node by `esperd stop`), or name "
            "another data directory"
        )


class UnknownModelError(PackageError):
    """The store has no such model, or not all of it."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        super().__init__(f"model {name}: {reason}")
