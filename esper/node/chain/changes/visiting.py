"""A visit: a branch beside the chain is executed on a copy of the state, and the chain stays.

What a branch confirms says which models its heights beyond x + L have. A branch that is lighter up
to there could never show that it becomes the heavier, had nobody executed it: so a node that holds
it up to its horizon looks. Of a visit nothing stays but the contexts of the blocks, in memory; its
writes go to a store that is thrown away, so a crash finds the chain where it was.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from esper.storage.chain_index import OldValue
from esper.storage.chain_reader import ChainReader
from esper.storage.kv.layered import LayeredView
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.state.disk_state_tree import DiskStateTree, StateUpdate
from esper.storage.store_options import StoreOptions
from esper.storage.system_errors import system_told
from esper.vm.view import Change

VISIT_FOLDER: Final = "visit"
"""In the data directory: a folder for each visit that lasts."""
BUFFER_BYTES: Final = 16 << 20
_NUMBERS: Final = count(1)


class VisitState:
    """A state that starts as the tip's and goes its own way."""

    def __init__(self, view: LayeredView) -> None:
        self._view = view
        self._tree = DiskStateTree(view)
        self._worked_out: tuple[Sequence[Change], StateUpdate] | None = None

    def get(self, path: bytes) -> bytes | None:
        """The record's bytes at a 32-byte path, None if there is none."""
        return self._tree.get(path)

    def root_after(self, changes: Sequence[Change]) -> bytes:
        """32 bytes: the root after changes by ascending path."""
        return self._update(changes).root

    def apply(self, changes: Sequence[Change]) -> None:
        """Make changes by ascending path."""
        self._view.write(self._update(changes).writes)
        self._worked_out = None

    def undo(self, old: Sequence[OldValue]) -> None:
        """Take back what the chain's highest block did, by its undo record."""
        self.apply(
            [
                Change(one.path, self.get(one.path), one.value[0] if one.value else None)
                for one in old
            ]
        )

    def _update(self, changes: Sequence[Change]) -> StateUpdate:
        if self._worked_out is None or self._worked_out[0] is not changes:
            self._worked_out = changes, self._tree.update(changes)
        return self._worked_out[1]


@contextmanager
def visiting_state(
    datadir: Path, reader: ChainReader, options: StoreOptions
) -> Iterator[VisitState]:
    """A copy of the state as a reader has it, in a folder of its own in a data directory.

    Raises DiskReserveError, WriteFailedError and what reading raises.
    """
    options.check_reserve(datadir)
    # A node that goes over to another root visits in place, while another visit may be running.
    folder = datadir / VISIT_FOLDER / str(next(_NUMBERS))
    with system_told(folder):
        folder.parent.mkdir(exist_ok=True)
    upper = LevelDbStore(folder, create=True, write_buffer_bytes=BUFFER_BYTES, synced=False)
    try:
        yield VisitState(LayeredView(reader.index.store, upper))
    finally:
        upper.close()
        shutil.rmtree(folder, ignore_errors=True)


def clear_visits(datadir: Path) -> None:
    """Delete what visits that were cut short have left, while none runs."""
    shutil.rmtree(datadir / VISIT_FOLDER, ignore_errors=True)
