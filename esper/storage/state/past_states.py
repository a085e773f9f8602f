"""The state of a few blocks ago, for proofs: the tip's with the last blocks taken back in memory.

The tree on disk is the tip's alone; undo records say what stood there before.
"""

import threading
from collections.abc import Mapping

from esper.primitives.ids import BlockId
from esper.storage.chain_index import ChainIndex
from esper.storage.chain_reader import ChainReader
from esper.storage.errors import RewindLimitError
from esper.storage.kv.memory_layer import MemoryLayer
from esper.storage.kv.store_port import KeyValueView
from esper.storage.state.disk_state_tree import DiskStateTree
from esper.vm.view import Change


class PastStates:
    """States below tips, for any thread. Remembers what it took back of the last one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[BlockId, int] | None = None
        # Not the reader itself: it would keep what its store has overwritten since on the disk.
        self._written: Mapping[bytes, bytes | None] = {}

    def below(self, reader: ChainReader, blocks: int) -> DiskStateTree:
        """The state after the block that stands ``blocks`` below a reader's tip.

        Raises RewindLimitError where undo records are missing, and IndexCorruptError where they
        lead to another state than the block's.
        """
        key = reader.tip.block_id, blocks
        with self._lock:
            if self._last != key:
                self._written = _taken_back(reader.index, blocks)
                self._last = key
            return DiskStateTree(MemoryLayer(reader.index.store, self._written))


def _taken_back(index: ChainIndex[KeyValueView], blocks: int) -> Mapping[bytes, bytes | None]:
    tip = index.tip.height
    layer = MemoryLayer(index.store)
    tree = DiskStateTree(layer)
    for height in range(tip, tip - blocks, -1):
        undo = index.undo(height) if height > 0 else None
        if undo is None:
            raise RewindLimitError(height)
        changes = [
            Change(old.path, tree.get(old.path), old.value[0] if old.value else None)
            for old in undo
        ]
        layer.write(tree.update(changes).writes)
    at = tip - blocks
    root = index.entry(at).state_root if at else index.genesis.state_root
    if tree.root != root:
        raise index.corrupt(f"undo records lead to another state than that of block {at}")
    return layer.written
