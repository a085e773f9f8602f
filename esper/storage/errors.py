"""Why the storage stops: one class per reason, each with a sentence that says what helps."""

from pathlib import Path
from typing import Final

from esper.primitives.ids import BlockId

REINDEX: Final = "run `esperd reindex`"
"""Rebuilds the index from the segment files; the remedy for every damage outside of them."""


class StorageError(Exception):
    """The data directory cannot be used, read or written, and why."""


class IndexCorruptError(StorageError):
    """The index contradicts itself, its checksums or the segment files."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; {REINDEX}")
        self.path = path
        """The damaged file, or the folder of the index where the file is not known."""
        self.reason = reason
        """What is wrong with it."""


class DirectoryLockedError(StorageError):
    """Another process holds the data directory."""

    def __init__(self, path: Path, holder: int | None = None) -> None:
        known = "" if holder is None else f" (process {holder})"
        super().__init__(
            f"{path} is in use by another process; stop it{known} or name another directory"
        )
        self.path = path
        """The data directory."""
        self.holder = holder
        """The process' number, None if it is not known."""


class FormatError(StorageError):
    """The data directory has a format that this program cannot read."""


class WrongChainError(StorageError):
    """The data directory holds a chain with another genesis."""

    def __init__(self, path: Path, found: BlockId, expected: BlockId) -> None:
        super().__init__(
            f"{path} holds the chain of genesis {found.hex()[:16]}, not of "
            f"{expected.hex()[:16]}; use another directory"
        )
        self.found = found
        """64 bytes: block id of the genesis stored."""
        self.expected = expected
        """64 bytes: block id of the genesis asked for."""


class DiskReserveError(StorageError):
    """The disk has less free space than the reserve; nothing was written."""

    def __init__(self, path: Path, free: int, reserve: int) -> None:
        super().__init__(
            f"the disk of {path} has {free >> 20} MiB free, the reserve is {reserve >> 20} MiB; "
            "free some space or lower the setting disk_reserve_mib (--disk-reserve-mib, "
            "ESPER_DISK_RESERVE_MIB), then start again"
        )
        self.free = free
        """Bytes free."""
        self.reserve = reserve
        """Bytes that must stay free."""


class StoreClosedError(StorageError):
    """A store was closed while something still read it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was closed meanwhile: ask again")
        self.path = path
        """The folder of the store."""


class WriteFailedError(StorageError):
    """The system refused a write. What was acknowledged before is safe."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; nothing acknowledged is lost, free space and restart")
        self.path = path
        """The file, or the folder of the index."""
        self.reason = reason
        """The system's words."""


class StoreStoppedError(StorageError):
    """A write failed before; the store takes no others until it is opened again."""

    def __init__(self) -> None:
        super().__init__("an earlier write failed: close the store and open it again")


class StateChangeError(StorageError):
    """A list of changes that does not fit the state: unsorted, or another value stands there."""


class AlreadyOnChainError(StorageError):
    """A block that is on the chain already, or is its genesis."""

    def __init__(self, block_id: BlockId, height: int) -> None:
        super().__init__(f"block {block_id.hex()[:16]} is on the chain already, at height {height}")
        self.block_id = block_id
        """64 bytes."""
        self.height = height
        """Where it stands."""


class RewindLimitError(StorageError):
    """The tip has no undo record: it is the genesis, or deeper than undo records are kept."""

    def __init__(self, height: int) -> None:
        super().__init__(
            f"block {height} cannot be taken off: it is the genesis, or undo records do not reach "
            "that far; a change of chain this deep needs an operator"
        )
        self.height = height
        """Height of the tip."""


class UnknownBlockError(StorageError):
    """A height above the tip, below 1, or an id that is not on the chain."""


class ProofPrunedError(StorageError):
    """The proof of a block below the pruning depth, or one that a reindex reported lost."""

    def __init__(self, height: int) -> None:
        super().__init__(f"the proof of block {height} is not kept here; an archive node has it")
        self.height = height
        """Height of the block."""


class BlockLostError(StorageError):
    """A reindex met damage in the journal: this block, and what follows, is not to be had here."""

    def __init__(self, height: int, cause: StorageError) -> None:
        super().__init__(
            f"block {height} is lost: {cause}; where no copy is at hand, accept the loss "
            "(`esperd reindex --accept-loss`) and fetch the chain from there on again"
        )
        self.height = height
        """The lowest height that cannot be rebuilt."""
        self.cause = cause
        """The damage, with its file."""
