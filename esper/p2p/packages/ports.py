"""What the machines of packages ask of the store, and the store as jobs and answers see it.

A package is named by its root, 64 bytes. Its list of digests is checked by the root when it is
begun, each chunk by its digest when it is put: whoever gave what is wrong is known by then.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol


class PackageChunks(Protocol):
    """One package of the store, whole or in part. May block on a disk; one call at a time."""

    @property
    def digests(self) -> bytes:
        """The whole list, 32 bytes for each chunk."""

    def digest_count(self) -> int:
        """How many chunks it has, 1 to 65,536."""

    def has(self, index: int) -> bool:
        """Whether a chunk is here."""

    def missing(self) -> Sequence[int]:
        """Indices, ascending, that may be put now: perhaps the manifest alone at first.

        Empty when the package is whole.
        """

    def get(self, index: int) -> bytes:
        """A chunk, at most a MiB, as its digest says. Raises for one that is not here."""

    def put(self, index: int, data: bytes) -> None:
        """Keep a chunk; one that is here already changes nothing.

        Raises one of ``PackageErrors``; anything else is this machine's trouble.
        """


class PackageShelf(Protocol):
    """All packages of the store. May block on a disk."""

    def find(self, root: bytes) -> PackageChunks | None:
        """A package, whole or in part; None if nothing of it is here."""

    def begin(self, root: bytes, digests: bytes) -> PackageChunks:
        """A package to be fetched, or the one that is here.

        Raises one of ``PackageErrors`` if the list is not the root's; anything else, a full disk
        among it, is this machine's trouble.
        """


@dataclass(frozen=True, slots=True)
class PackageErrors:
    """Whom the errors of a shelf blame."""

    wrong: tuple[type[Exception], ...]
    """The list or the chunk is not the package's: its sender."""
    hopeless: tuple[type[Exception], ...] = ()
    """The package cannot be, though all bytes are as its root says: nobody."""


# Jobs, as in ``p2p.ports``; each comes back once, with its value or a ``verdicts.Failure``:
# BYTES if its sender is to blame, a consequence without offence if the package cannot be.


@dataclass(frozen=True, slots=True)
class FindPackage:
    """What is here of a package. The value is a ``Known``, or None if nothing is."""

    key: Hashable
    root: bytes


@dataclass(frozen=True, slots=True)
class BeginPackage:
    """Check a list of digests and begin its package. The value is a ``Known``."""

    key: Hashable
    root: bytes
    digests: bytes


@dataclass(frozen=True, slots=True)
class KeepChunk:
    """Check a chunk and write it. The value is None."""

    key: Hashable
    root: bytes
    index: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """What is here of a package."""

    count: int
    """Its chunks."""
    missing: int
    """Those that may be put now: chunk i is bit i."""
    here: int
    """Those that are here; what is in neither may be put once the manifest is here."""


PackageJob = FindPackage | BeginPackage | KeepChunk
