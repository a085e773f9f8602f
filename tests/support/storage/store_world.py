"""A data directory of the chain store whose index is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from esper.primitives.ids import BlockId
from esper.storage.chain_store import ChainStore
from esper.storage.errors import WriteFailedError
from esper.storage.kv.store_port import Write
from esper.storage.tip_moves import StoredExecution
from tests.support.crash.fake_chain import GENESIS, append_one, replay
from tests.support.crash.fake_chain import options as crash_options
from tests.support.storage.full_disk import FullDisk
from tests.support.storage.memory_store import MemoryStore

SMALL = {"body": 300, "proof": 600}
NOTHING = StoredExecution((), ())
NEW = BlockId(b"1" * 64)
"""A block that is on no chain yet."""


class KeptMemory(MemoryStore):
    """Keeps its values over closing, and refuses or loses writes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = False
        self.loses = False

    def write(self, writes: Iterable[Write]) -> None:
        if self.refuses:
            raise WriteFailedError(Path("index"), "No space left on device")
        if not self.loses:
            super().write(writes)


class StoreWorld:
    """A data directory whose index is in memory."""

    def __init__(self, datadir: Path) -> None:
        self.datadir = datadir
        self.index = KeptMemory()
        self.disk = FullDisk(1 << 40)
        self.options = replace(crash_options(), open_index=self._index, opener=self.disk)

    def _index(self, folder: Path, create: bool) -> KeptMemory:
        if create:
            folder.mkdir(exist_ok=True)
        return self.index

    def open(self, **changed: Any) -> ChainStore:
        return ChainStore(self.datadir, GENESIS, replay, replace(self.options, **changed))


def facts(store: ChainStore) -> tuple[Any, ...]:
    return store.tip.height, store.tip.block_id, store.state.root, store.receipt_root


def append_group(store: ChainStore, *salts: int, then: Callable[[], object] = int) -> None:
    with store.group():
        for salt in salts:
            append_one(store, salt, **SMALL)
        then()
