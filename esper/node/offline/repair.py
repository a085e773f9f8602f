"""Making a data directory whole again whose proofs are damaged, so that mining goes on.

    a proof from elsewhere ──▶ put in place
    block below the pruning depth ──▶ kept without proof, as a pruned one
    block above it ──▶ needs a proof from elsewhere, or the chain ends before it

What is damaged in the proof files is written over last. Killed on the way, it is simply run again.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper.consensus.block import decode_body, proof_hash
from esper.consensus.block_isolation import read_content
from esper.consensus.header import decode_header
from esper.mempool.journal import MempoolJournal
from esper.node.chain.opening import rebuild_index, store_options
from esper.node.chain.store_state import genesis_of, replay_of
from esper.node.datadir import DataDirectory
from esper.node.mempool.mempool_service import JOURNAL_FILE
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.errors import (
    IndexCorruptError,
    ProofPrunedError,
    RewindLimitError,
    StorageError,
)
from esper.storage.proof_check import ProofDamage, damaged_proofs
from esper.storage.reindex import Progress, silent
from esper.storage.segments.block_files import (
    BLOCK_FOLDER,
    BlockFiles,
    TipRemoved,
    journal_payload,
)
from esper.storage.segments.segment_reader import SegmentError
from esper.storage.segments.segment_writer import SegmentWriter
from esper.storage.store_options import RESERVE_BYTES

GIVEN_UP: Final = b""
"""In the place of a proof that nobody needs any more."""

Proofs = Callable[[Collection[BlockId]], Iterator[tuple[BlockId, bytes]]]
"""A source of proofs: those that it has of the blocks that it is asked for. None is believed."""


class RepairError(Exception):
    """What was offered does not help; the message says why."""


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair found and did."""

    damaged: tuple[ProofDamage, ...]
    """What was found, the lowest block first."""
    restored: tuple[int, ...]
    """Heights that have their proof again."""
    given_up: tuple[int, ...]
    """Heights below the pruning depth that are kept without proof."""
    remaining: tuple[int, ...]
    """Heights that still need a proof."""
    ended_at: int | None
    """Height of the tip, if the chain was ended before the lowest of those."""
    waiting: int
    """Transactions of blocks that were taken off, which wait for a block again."""
    voided: int
    """Damaged places of the proof files that were written over."""


def no_proofs(wanted: Collection[BlockId]) -> Iterator[tuple[BlockId, bytes]]:
    """A source that has none."""
    del wanted
    return iter(())


def proofs_in(datadir: Path) -> Proofs:
    """The proofs of another data directory. Raises RepairError if it has no proof files."""
    files = BlockFiles(datadir)
    if not files.has_proofs:
        raise RepairError(f"{datadir} has no proof files: name the data directory of another node")

    def found(wanted: Collection[BlockId]) -> Iterator[tuple[BlockId, bytes]]:
        return ((one.block_id, one.proof) for one in files.proofs_of(wanted))

    return found


def repair(
    directory: DataDirectory,
    *,
    proofs: Proofs = no_proofs,
    one: tuple[int, bytes, str] | None = None,
    accept_loss: bool = False,
    only_look: bool = False,
    now_ms: int,
    reserve_bytes: int = RESERVE_BYTES,
    progress: Progress = silent,
) -> RepairReport:
    """Mend what is damaged of the proofs, as far as the sources and ``accept_loss`` allow.

    ``one`` is a proof by hand: the block's height, the bytes, and where they came from. With
    ``accept_loss`` the chain ends before the first block that stays without a proof it needs, and
    its transactions wait again as of the clock ``now_ms``. With ``only_look`` nothing is changed,
    and all that was found remains. ``progress`` is told of an index that has to be built anew.
    Raises RepairError and StorageError.
    """

    def rebuild(*, accept_loss: bool) -> None:
        rebuild_index(
            directory, accept_loss=accept_loss, reserve_bytes=reserve_bytes, progress=progress
        )

    try:
        store = _opened(directory, reserve_bytes)
    except (IndexCorruptError, RewindLimitError, SegmentError):
        rebuild(accept_loss=accept_loss)
        store = _opened(directory, reserve_bytes)
    ended_at, waiting, gone = None, 0, list[BlockId]()
    with store:
        depth = directory.params.limits.pruning_depth
        found = damaged_proofs(store.as_of_now(), depth)[::-1]
        if only_look:
            heights = tuple(damage.height for damage in found)
            return RepairReport(tuple(found), (), (), heights, None, 0, 0)
        restored = _restore(store, directory.params, found, proofs, one)
        rest = [damage for damage in found if damage.height not in restored]
        given_up = tuple(damage.height for damage in rest if not damage.is_needed)
        for height in given_up:
            store.put_proof(height, GIVEN_UP)
        needed = tuple(damage.height for damage in rest if damage.is_needed)
        if needed and accept_loss:
            ended_at = needed[0] - 1
            waiting = _give_back(store, directory.params, ended_at, now_ms)
            if store.index.undo(needed[0]) is None:
                above = range(store.tip.height, ended_at, -1)
                gone = [store.index.entry(height).block_id for height in above]
            else:
                while store.tip.height > ended_at:
                    store.rewind()
    if gone:
        take_off(directory, gone)
        rebuild(accept_loss=False)
    voided, remaining = 0, () if ended_at is not None else needed
    if not remaining:
        # As long as a proof is missed, what is left of it stays: it may yet be read elsewhere.
        with _opened(directory, reserve_bytes) as store:
            voided = store.void_damaged_proofs()
    return RepairReport(
        tuple(found), tuple(sorted(restored)), given_up, remaining, ended_at, waiting, voided
    )


def _opened(directory: DataDirectory, reserve_bytes: int) -> ChainStore:
    params = directory.params
    options = store_options(params, reserve_bytes)
    return ChainStore(directory.path, genesis_of(params), replay_of(params), options)


def _restore(
    store: ChainStore,
    params: NetworkParameters,
    damaged: Sequence[ProofDamage],
    proofs: Proofs,
    one: tuple[int, bytes, str] | None,
) -> set[int]:
    """Put proofs in place that are those that the headers name; their heights."""
    without = _without(store)
    wanted = {damage.block_id: damage.height for damage in damaged} | without
    restored = set()
    if one is not None:
        height, proof, name = one
        if height not in wanted.values():
            raise RepairError(f"block {height} lacks no proof; run `esperd repair` to see which do")
        if not restore_proof(store, params, height, proof):
            raise RepairError(f"{name} is not the proof of block {height}; nothing was changed")
        restored.add(height)
    for block_id, proof in proofs(wanted.keys()):
        height = wanted[block_id]
        if height not in restored and restore_proof(store, params, height, proof):
            restored.add(height)
    return restored


def _without(store: ChainStore) -> dict[BlockId, int]:
    """Blocks that have no proof, pruned and given up ones among them."""
    found = {}
    for height in range(1, store.tip.height + 1):
        entry = store.index.entry(height)
        try:
            if not entry.proof or not store.proof(height):
                found[entry.block_id] = height
        except ProofPrunedError:
            found[entry.block_id] = height
        except StorageError:
            continue
    return found


def restore_proof(store: ChainStore, params: NetworkParameters, height: int, proof: bytes) -> bool:
    """Put a proof in place, wherever it came from, if it is the one that the block's header names.

    Whether it was. Raises what ``ChainStore.put_proof`` raises.
    """
    header = decode_header(store.block(height).header, params.limits.header_bytes)
    if len(proof) > params.limits.proof_bytes or proof_hash(proof) != header.proof_hash:
        return False
    store.put_proof(height, proof)
    return True


def _give_back(store: ChainStore, params: NetworkParameters, ended_at: int, now_ms: int) -> int:
    """Let the transactions above a height wait again, before their blocks go; how many."""
    limits = params.limits
    journal = MempoolJournal(store.datadir / JOURNAL_FILE, limits.transaction_bytes)
    count = 0
    try:
        for height in range(ended_at + 1, store.tip.height + 1):
            block = store.block(height)
            body = decode_body(block.body, limits.body_bytes)
            header = decode_header(block.header, limits.header_bytes)
            for transaction in read_content(body, header.pre, limits).transactions:
                journal.append(transaction.to_bytes(), ended_at, now_ms)
                count += 1
    finally:
        journal.close()
    return count


def take_off(directory: DataDirectory, gone: Sequence[BlockId]) -> None:
    """Say in the journal that blocks left the chain, the tip first; the index does not know yet."""
    with DirectoryLock(directory.path):
        writer = SegmentWriter(directory.path / BLOCK_FOLDER)
        for block_id in gone:
            writer.stage(journal_payload(TipRemoved(block_id)))
        writer.commit()
