"""What the chain's storage asks of an ordered key-value store, and nothing else."""

from collections.abc import Iterable, Iterator
from typing import Protocol

Write = tuple[bytes, bytes | None]
"""A key and its new value, None to delete it."""


class KeyValueView(Protocol):
    """An ordered map from bytes to bytes, for reading."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None if there is none.

        Raises IndexCorruptError for bytes that fail their checksum.
        """

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys that begin with ``prefix`` and their values, in ascending order of keys.

        Raises IndexCorruptError for bytes that fail their checksum. What is written meanwhile is
        not seen.
        """

    def items_down(self, prefix: bytes, below: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys less than ``below`` that begin with ``prefix``, in descending order, and values.

        ``below`` begins with ``prefix`` itself. Reads no further than it is asked, so whoever needs
        a page stops there; otherwise as ``items``.
        """


class KeyValueStore(KeyValueView, Protocol):
    """An ordered map from bytes to bytes that survives the death of the process."""

    def write(self, writes: Iterable[Write]) -> None:
        """Apply all writes or none; on disk when this returns. Of one key the last write counts.

        Raises WriteFailedError if the system refuses; the store is to be closed then.
        """

    def snapshot(self) -> KeyValueView:
        """All that is stored now, whatever is written later; to be read from any thread.

        Reading one after ``close`` raises StoreClosedError.
        """

    def check(self) -> None:
        """Compare all that is stored with its checksums. Raises IndexCorruptError."""

    def close(self) -> None:
        """Give the store back. A second call does nothing."""
