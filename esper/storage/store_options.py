"""What a chain store is opened with."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from esper.storage.errors import DiskReserveError
from esper.storage.format_version import FORMAT, MIGRATIONS, Migrations
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.kv.store_port import KeyValueStore
from esper.storage.segments.block_files import BlockAdded
from esper.storage.segments.segment_reader import SEGMENT_BYTES
from esper.storage.segments.segment_writer import Opener, open_for_append
from esper.storage.state.disk_state_tree import DiskStateTree
from esper.storage.tip_moves import StoredExecution

INDEX_FOLDER: Final = "index"
RESERVE_BYTES: Final = 512 << 20
"""Room for LevelDB's compactions and for what the operator does to get out of it."""
UNDO_DEPTH: Final = 1440
"""The deepest change of chain on the main network."""

Replay = Callable[[BlockAdded, DiskStateTree, bytes], StoredExecution]
"""Runs a block again on the state of its parent. Must give what ``append`` was given.

The third argument is the context of the parent, empty for the genesis.
"""


def free_bytes(folder: Path) -> int:
    """Bytes that the disk of a folder has left."""
    return shutil.disk_usage(folder).free


def _open_index(folder: Path, create: bool) -> KeyValueStore:
    return LevelDbStore(folder, create=create)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What an operator or a test may set."""

    segment_bytes: int = SEGMENT_BYTES
    """A segment file is closed once it exceeds this."""
    undo_depth: int = UNDO_DEPTH
    """Blocks that can be taken off."""
    reserve_bytes: int = RESERVE_BYTES
    """Free space of the disk below which nothing is appended."""
    free_space: Callable[[Path], int] = free_bytes
    """Bytes left on the disk of a folder."""
    opener: Opener = open_for_append
    """Opens segment files for appending."""
    open_index: Callable[[Path, bool], KeyValueStore] = _open_index
    """Opens the index in a folder; the second argument allows to make it."""
    newest_format: int = FORMAT
    """The storage format that is written."""
    migrations: Migrations = field(default_factory=lambda: MIGRATIONS)
    """Ways from older formats."""

    def check_reserve(self, datadir: Path) -> None:
        """Raises DiskReserveError if the disk has less than the reserve left."""
        free = self.free_space(datadir)
        if free < self.reserve_bytes:
            raise DiskReserveError(datadir, free, self.reserve_bytes)


DEFAULT_OPTIONS: Final = StoreOptions()
