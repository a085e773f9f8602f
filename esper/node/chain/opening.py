"""Putting a node together from its parts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from esper.consensus.ports import WorkVerifier
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.store_state import genesis_of, replay_of
from esper.node.clock import Clock
from esper.node.datadir import DataDirectory
from esper.node.signatures.batch import BatchVerifier
from esper.node.signatures.processes import SignatureProcesses
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.reindex import Progress, ReindexReport, silent
from esper.storage.reindex import reindex as reindex_store
from esper.storage.store_options import RESERVE_BYTES, StoreOptions


def store_options(params: NetworkParameters, reserve_bytes: int = RESERVE_BYTES) -> StoreOptions:
    """How a network's store is opened; ``reserve_bytes`` stay free on the disk."""
    return StoreOptions(undo_depth=params.limits.undo_depth, reserve_bytes=reserve_bytes)


@contextmanager
def open_chain(
    directory: DataDirectory,
    verifier: WorkVerifier,
    secret: bytes,
    clock: Clock,
    *,
    prune: bool | None = None,
    options: StoreOptions | None = None,
) -> Iterator[ChainManager]:
    """The chain of a data directory, for this process alone.

    ``secret`` decides between equal tips. Raises StorageError.
    """
    params = directory.params
    opened = options or store_options(params)
    # Worker processes start with the first block that has many signatures of the second suite.
    processors = os.cpu_count() or 1
    batch = BatchVerifier(processors, SignatureProcesses(processors))
    store = ChainStore(directory.path, genesis_of(params), replay_of(params), opened)
    with store, batch as signatures:
        yield ChainManager(
            store,
            params,
            verifier,
            secret=secret,
            now_ms=clock(),
            signatures=signatures,
            prune=params.is_local if prune is None else prune,
        )


def rebuild_index(
    directory: DataDirectory,
    *,
    accept_loss: bool,
    reserve_bytes: int = RESERVE_BYTES,
    progress: Progress = silent,
) -> ReindexReport:
    """Build the index anew from block and proof files. Raises StorageError.

    ``progress`` is told after each block: its height and how many there are.
    """
    params = directory.params
    return reindex_store(
        directory.path,
        genesis_of(params),
        replay_of(params),
        store_options(params, reserve_bytes),
        accept_loss=accept_loss,
        progress=progress,
    )
