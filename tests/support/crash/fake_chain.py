"""A chain of meaningless blocks whose every byte follows from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from esper.consensus.chain import BlockBytes
from esper.primitives.ids import BlockId
from esper.storage.chain_store import ChainStore
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.kv.store_port import KeyValueStore
from esper.storage.segments.block_files import (
    BLOCK_FOLDER,
    BlockAdded,
    StandingChain,
    journal_entry,
)
from esper.storage.segments.segment_reader import SegmentReader
from esper.storage.segments.segment_writer import Opener, open_for_append
from esper.storage.state.disk_state_tree import DiskStateTree
from esper.storage.store_options import StoreOptions
from esper.storage.tip_moves import GenesisState, StoredExecution
from esper.vm.state_tree import StateTree, state_path
from esper.vm.view import Change

PATHS = sorted(state_path(1, b"%d" % number) for number in range(300))
GENESIS = GenesisState(BlockId(b"G" * 64), tuple((path, b"genesis") for path in PATHS[::3]))
SEGMENT_BYTES = 1 << 16
UNDO_DEPTH = 20
WRITE_BUFFER_BYTES = 1 << 16


def small_index(folder: Path, create: bool) -> KeyValueStore:
    """An index that flushes and compacts often."""
    return LevelDbStore(folder, create=create, write_buffer_bytes=WRITE_BUFFER_BYTES)


def large_index(folder: Path, create: bool) -> KeyValueStore:
    """An index whose log grows long before it is flushed."""
    return LevelDbStore(folder, create=create)


def options(
    opener: Opener = open_for_append,
    open_index: Callable[[Path, bool], KeyValueStore] = small_index,
) -> StoreOptions:
    return StoreOptions(
        segment_bytes=SEGMENT_BYTES,
        undo_depth=UNDO_DEPTH,
        reserve_bytes=0,
        opener=opener,
        open_index=open_index,
    )


def opened(datadir: Path, with_options: StoreOptions | None = None) -> ChainStore:
    return ChainStore(datadir, GENESIS, replay, with_options or options())


def make_block(
    parent: BlockId, salt: int, *, body: int = 20_000, proof: int = 40_000
) -> tuple[BlockId, BlockBytes]:
    """A block on ``parent``, of random size up to these bytes, and its id.

    No proof is empty: that is what a repair leaves of one.
    """
    chooser = random.Random(parent + salt.to_bytes(8, "big"))
    block = BlockBytes(
        parent + salt.to_bytes(8, "big"),
        chooser.randbytes(chooser.randrange(body)),
        chooser.randbytes(chooser.randrange(1, proof)),
    )
    return BlockId(hashlib.sha3_512(block.header + block.body + block.proof).digest()), block


def replay(block: BlockAdded, state: DiskStateTree | StateTree, context: bytes) -> StoredExecution:
    """Changes, receipts and context that follow from the block and the state of its parent."""
    chooser = random.Random(block.block_id + block.body)
    changes: list[Change] = []
    for path in sorted(chooser.sample(PATHS, chooser.randrange(40))):
        old = state.get(path)
        gone = old is not None and chooser.random() < 0.4
        changes.append(
            Change(path, old, None if gone else chooser.randbytes(chooser.randrange(60)))
        )
    receipts = tuple(chooser.randbytes(20) for _ in range(chooser.randrange(6)))
    return StoredExecution(tuple(changes), receipts, context[-8:] + block.block_id[:4])


def append_one(store: ChainStore, salt: int, **sizes: int) -> BlockId:
    """Append a block that follows from the tip and a salt; its id."""
    block_id, block = make_block(store.tip.block_id, salt, **sizes)
    added = BlockAdded(block_id, block.header, block.body)
    store.append(block_id, block, replay(added, store.state, store.index.tip_context))
    return block_id


def in_memory(changes: Iterable[Change], tree: StateTree) -> StateTree:
    for path, old, new in changes:
        if new is not None:
            tree = tree.put(path, new)
        elif old is not None:
            tree = tree.delete(path)
    return tree


def replayed_from_files(datadir: Path) -> tuple[int, bytes]:
    """Height and state root, from the journal alone and with the tree in memory."""
    reader, chain = SegmentReader(datadir / BLOCK_FOLDER), StandingChain()
    for place, payload in reader:
        chain.apply(journal_entry(payload, place, reader), place, reader)
    tree = StateTree()
    for path, value in GENESIS.records:
        tree = tree.put(path, value)
    for _, place in chain.blocks:
        entry = journal_entry(reader.read(place), place, reader)
        assert isinstance(entry, BlockAdded)
        tree = in_memory(replay(entry, tree, b"").changes, tree)
    return len(chain.blocks), tree.root
