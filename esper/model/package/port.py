"""What the network sees of packages: digests first, then chunks by index.

A package is named by its root, 64 bytes, which a proposal carries. Who wants it asks for the list
of digests, 32 bytes each, checks it by the root (``PackageShelf.begin``), and then asks for chunks,
each of which is checked alone (``put``). Chunk 0 is the manifest: it says how long every other
chunk is, so it is the first that ``missing`` names, alone, and no other is taken before it.

All of it may block on a disk: call it from a thread. Several threads may call at once.
"""

from collections.abc import Sequence
from typing import Final, Protocol

CHUNK_BYTES: Final = 1 << 20
"""Most bytes of a chunk; only the manifest and the last chunk of a file have fewer."""
DIGEST_BYTES: Final = 32
MAX_CHUNKS: Final = 1 << 16
"""Most chunks of a package, so of digests in a list (2 MiB): 64 GiB of files."""


class PackageChunks(Protocol):
    """One package, whole or in part."""

    @property
    def root(self) -> bytes:
        """64 bytes: its name."""
        ...

    @property
    def digests(self) -> bytes:
        """The list as it goes over the wire: ``digest_count() * DIGEST_BYTES`` bytes."""
        ...

    def digest_count(self) -> int:
        """How many chunks it has, the manifest among them: 2 to MAX_CHUNKS."""
        ...

    def has(self, index: int) -> bool:
        """Whether a chunk is here and may be served; False for an index that it does not have."""
        ...

    def missing(self) -> Sequence[int]:
        """Indices, ascending, that may be put now; empty when the package is whole.

        ``(0,)`` alone until the manifest is here.
        """
        ...

    def get(self, index: int) -> bytes:
        """A chunk, 0 to CHUNK_BYTES bytes, as its digest says.

        Raises ChunkIndexError, ChunkMissingError if it is not here, and OSError. A chunk that the
        disk no longer holds as it was counts as missing from then on.
        """
        ...

    def put(self, index: int, data: bytes) -> None:
        """Keep a chunk that came. One that is here already is taken again and changes nothing.

        Raises:
            ChunkDigestError: it is not the package's; its sender is to blame.
            ChunkIndexError: there is no such chunk, or the manifest is to come first.
            PackageDefectError: the chunk is what the digest says, and the package cannot be: the
                manifest is none, or has other chunks than there are digests, or more than the
                store has room for. No sender is to blame, nobody can fetch it.
            OSError: the disk.
        """
        ...


class PackageShelf(Protocol):
    """All packages of a node."""

    def find(self, root: bytes) -> PackageChunks | None:
        """The package of that name, whole or in part; None if nothing of it is here."""
        ...

    def begin(self, root: bytes, digests: bytes) -> PackageChunks:
        """A package to be fetched, or the one that is here, as far as it is.

        Raises:
            DigestListError: the list is not the root's; its sender is to blame.
            DiskBudgetError: there is no room for it; nothing was begun.
            OSError: the disk.
        """
        ...
