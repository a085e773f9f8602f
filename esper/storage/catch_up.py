"""Carrying over into the index what lies in the files behind the acknowledged ends."""

from esper.primitives.ids import BlockId
from esper.storage.chain_index import ChainIndex
from esper.storage.kv.store_port import KeyValueStore
from esper.storage.segments.block_files import BlockAdded, journal_entry, stored_proof
from esper.storage.segments.segment_reader import Locator, SegmentReader
from esper.storage.segments.segment_writer import SegmentWriter
from esper.storage.segments.voiding import is_void
from esper.storage.state.disk_state_tree import DiskStateTree
from esper.storage.store_options import Replay
from esper.storage.tip_moves import BlockPlaces, downwards, plan, plan_back, upwards


def catch_up(
    index: ChainIndex[KeyValueStore],
    journal: SegmentWriter,
    proofs: SegmentWriter,
    replay: Replay,
    undo_depth: int,
) -> None:
    """Repeat the steps of the tip that the index does not have.

    At most those that a crash interrupted, a step or a group, unless the index lost writes. A last
    block whose proof is not there was never whole: it is cut off. Raises IndexCorruptError for
    steps that do not fit.
    """
    found_proofs = _proofs_behind(proofs.reader, Locator(*index.tip.proofs))
    for found in journal.reader.scan(Locator(*index.tip.journal)):
        if found.payload is None:
            continue
        entry = journal_entry(found.payload, found.place, journal.reader)
        acknowledged = Locator(*index.tip.proofs)
        if isinstance(entry, BlockAdded):
            if entry.block_id not in found_proofs:
                if found.end != journal.end:
                    raise index.corrupt("more than one step is missing, and a proof is pruned")
                journal.cut(found.place)
                return
            proof, proof_end = found_proofs[entry.block_id]
            ends = max(proof_end, acknowledged)
            places = BlockPlaces(found.place, proof, found.end, ends)
            execution = replay(entry, DiskStateTree(index.store), index.tip_context)
            step = plan(index, entry.block_id, execution)
            writes = upwards(index, step, places, undo_depth)
        else:
            if entry.block_id != index.tip.block_id:
                raise index.corrupt("the journal takes off another block than the tip")
            writes = downwards(plan_back(index), found.end, acknowledged)
        index.store.write(writes)


def _proofs_behind(
    reader: SegmentReader, acknowledged: Locator
) -> dict[BlockId, tuple[Locator, Locator]]:
    """Place and end of every proof behind ``acknowledged``, by block id."""
    places = {}
    for found in reader.scan(acknowledged):
        if found.payload is not None and not is_void(found.payload):
            block_id = stored_proof(found.payload, found.place, reader).block_id
            places[block_id] = found.place, found.end
    return places
