"""Building the index anew from the segment files alone.

The new index grows in a folder beside the old one and takes its place when it is whole, so a
reindex that is killed is simply run again.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper.primitives.hashing import u32, u64
from esper.primitives.ids import BlockId
from esper.storage.chain_index import (
    FIRST_PROOF_FILE_KEY,
    PROOFS_FROM_KEY,
    TIP_KEY,
    ChainIndex,
    Tip,
    encode_tip,
    pair,
)
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.errors import BlockLostError, StorageError
from esper.storage.format_version import (
    FormatDamagedError,
    bring_up_to_date,
    read_format,
    write_format,
)
from esper.storage.own_file import sync_folder
from esper.storage.segments.block_files import (
    BLOCK_FOLDER,
    PROOF_FOLDER,
    BlockAdded,
    BlockFileError,
    StandingChain,
    journal_entry,
    stored_proof,
)
from esper.storage.segments.segment_reader import (
    Locator,
    SegmentCutError,
    SegmentError,
    SegmentReader,
)
from esper.storage.segments.segment_writer import START, SegmentWriter
from esper.storage.segments.voiding import is_void
from esper.storage.state.disk_state_tree import DiskStateTree
from esper.storage.store_options import DEFAULT_OPTIONS, INDEX_FOLDER, Replay, StoreOptions
from esper.storage.system_errors import SystemRefusedError, system_told
from esper.storage.tip_moves import BlockPlaces, GenesisState, begin, plan, upwards

Progress = Callable[[int, int], None]
"""Told after each block that was done: its height and how many there are."""

NEW_FOLDER: Final = "index.new"
OLD_FOLDER: Final = "index.old"


def silent(height: int, blocks: int) -> None:
    """A progress that tells nobody."""


@dataclass(frozen=True, slots=True)
class ReindexReport:
    """What a reindex found."""

    height: int
    """Height of the tip."""
    lost: BlockLostError | None
    """The first block that was given up, None if all are there."""
    damaged_proofs: tuple[SegmentError, ...]
    """Damage in the proof files."""
    without_proof: tuple[int, ...]
    """Heights whose proof was pruned, given up, or is damaged."""


@dataclass(frozen=True, slots=True)
class _Journal:
    chain: StandingChain
    end: Locator
    damage: StorageError | None


@dataclass(frozen=True, slots=True)
class _Proofs:
    places: dict[BlockId, Locator]
    given_up: frozenset[BlockId]
    end: Locator
    damage: tuple[SegmentError, ...]


def reindex(
    datadir: Path,
    genesis: GenesisState,
    replay: Replay,
    options: StoreOptions = DEFAULT_OPTIONS,
    *,
    accept_loss: bool = False,
    progress: Progress = silent,
) -> ReindexReport:
    """Rebuild the index by replaying the journal from its beginning.

    A damaged proof is reported and its block kept. Damage in the journal raises BlockLostError and
    changes nothing; with ``accept_loss`` the journal ends before it. Raises DirectoryLockedError,
    DiskReserveError, SystemRefusedError, and FormatError for a newer format.
    """
    with system_told(datadir):
        datadir.mkdir(parents=True, exist_ok=True)
        return _reindexed(datadir, genesis, replay, options, progress, accept_loss=accept_loss)


def _reindexed(
    datadir: Path,
    genesis: GenesisState,
    replay: Replay,
    options: StoreOptions,
    progress: Progress,
    *,
    accept_loss: bool,
) -> ReindexReport:
    with DirectoryLock(datadir):
        try:
            read_format(datadir)
        except FormatDamagedError:
            write_format(datadir, options.newest_format)
        bring_up_to_date(datadir, newest=options.newest_format, migrations=options.migrations)
        known = _last_known(datadir, options)
        journal = _read_journal(SegmentReader(datadir / BLOCK_FOLDER), known)
        lost = None
        if journal.damage is not None:
            lost = BlockLostError(len(journal.chain.blocks) + 1, journal.damage)
            if not accept_loss:
                raise lost
        proofs = _read_proofs(SegmentReader(datadir / PROOF_FOLDER), known)
        try:
            without = _build(datadir, genesis, replay, options, journal, proofs, progress)
        except BaseException:
            # Half an index helps nobody, and the disk may be full.
            shutil.rmtree(datadir / NEW_FOLDER, ignore_errors=True)
            raise
        SegmentWriter(datadir / BLOCK_FOLDER, acknowledged=journal.end).cut(journal.end)
        _put_in_place(datadir)
        return ReindexReport(len(journal.chain.blocks), lost, proofs.damage, without)


def _last_known(datadir: Path, options: StoreOptions) -> Tip | None:
    """The tip of the old index if that much can be read: what is cut before it is a loss."""
    try:
        store = options.open_index(datadir / INDEX_FOLDER, False)
    except SystemRefusedError:
        raise
    except StorageError:
        return None
    try:
        return ChainIndex(store, datadir / INDEX_FOLDER).tip_if_any()
    except SystemRefusedError:
        raise
    except StorageError:
        return None
    finally:
        store.close()


def _read_journal(reader: SegmentReader, known: Tip | None) -> _Journal:
    chain, end = StandingChain(), START
    acknowledged = START if known is None else Locator(*known.journal)
    files = reader.files()
    if files and files[0] != 0:
        return _Journal(chain, end, SegmentError(reader.path(0), 0, "is missing"))
    for found in reader.scan():
        if found.payload is None:
            if _is_torn_end(found.error, found.place, files, acknowledged):
                break
            return _Journal(chain, end, found.error)
        try:
            chain.apply(journal_entry(found.payload, found.place, reader), found.place, reader)
        except BlockFileError as error:
            return _Journal(chain, end, error)
        end = found.end
    if end < acknowledged:
        return _Journal(chain, end, SegmentCutError(reader.path(end.file), end.offset, "is cut"))
    return _Journal(chain, end, None)


def _is_torn_end(
    error: SegmentError | None, place: Locator, files: range, acknowledged: Locator
) -> bool:
    """Whether damage is what a crash leaves: an unfinished record at the very end."""
    last = place.file == files[-1]
    return isinstance(error, SegmentCutError) and last and place >= acknowledged


def _read_proofs(reader: SegmentReader, known: Tip | None) -> _Proofs:
    places: dict[BlockId, Locator] = {}
    proven: dict[BlockId, bool] = {}
    damage: list[SegmentError] = []
    end, files = START, reader.files()
    acknowledged = START if known is None else Locator(*known.proofs)
    for found in reader.scan():
        if found.error is not None:
            if not _is_torn_end(found.error, found.place, files, acknowledged):
                damage.append(found.error)
        elif found.payload is not None and is_void(found.payload):
            end = found.end
        elif found.payload is not None:
            stored = stored_proof(found.payload, found.place, reader)
            places[stored.block_id], proven[stored.block_id] = found.place, bool(stored.proof)
            end = found.end
    given_up = frozenset(one for one, is_proven in proven.items() if not is_proven)
    return _Proofs(places, given_up, end, tuple(damage))


def _build(
    datadir: Path,
    genesis: GenesisState,
    replay: Replay,
    options: StoreOptions,
    journal: _Journal,
    proofs: _Proofs,
    progress: Progress,
) -> tuple[int, ...]:
    """Fill the new index; returns the heights that have no proof."""
    folder = datadir / NEW_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    store = options.open_index(folder, True)
    try:
        index = ChainIndex(store, folder)
        reader = SegmentReader(datadir / BLOCK_FOLDER)
        store.write(begin(index, genesis))
        without = []
        for height, (block_id, place) in enumerate(journal.chain.blocks, 1):
            entry = journal_entry(reader.read(place), place, reader)
            if not isinstance(entry, BlockAdded):
                raise BlockFileError(f"{reader.path(place.file)} changed while it was read")
            proof = proofs.places.get(block_id)
            if proof is None or block_id in proofs.given_up:
                without.append(height)
            options.check_reserve(datadir)
            execution = replay(entry, DiskStateTree(store), index.tip_context)
            step = plan(index, block_id, execution)
            places = BlockPlaces(place, proof, journal.end, proofs.end)
            store.write(upwards(index, step, places, options.undo_depth))
            progress(height, len(journal.chain.blocks))
        tip = index.tip
        first = SegmentReader(datadir / PROOF_FOLDER).files()
        ends = Tip(
            tip.height,
            tip.block_id,
            tip.state_root,
            tip.receipts,
            pair(journal.end),
            pair(proofs.end),
        )
        gaps = [(PROOFS_FROM_KEY, u64(without[-1] + 1))] if without else []
        first_file = u32(first[0] if first else 0)
        store.write([(TIP_KEY, encode_tip(ends)), (FIRST_PROOF_FILE_KEY, first_file), *gaps])
    finally:
        store.close()
    return tuple(without)


def _put_in_place(datadir: Path) -> None:
    folder, old = datadir / INDEX_FOLDER, datadir / OLD_FOLDER
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    (datadir / NEW_FOLDER).rename(folder)
    sync_folder(datadir)
    shutil.rmtree(old, ignore_errors=True)
