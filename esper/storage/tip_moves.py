"""What one step of the tip, up or down, writes into the index.

Nothing here writes: the caller puts the whole list into one batch, after the files are synced.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from esper.primitives.hashing import u64
from esper.primitives.ids import BlockId
from esper.storage.chain_index import (
    GENESIS_KEY,
    TIP_KEY,
    BlockEntry,
    ChainIndex,
    Genesis,
    OldValue,
    Tip,
    context_key,
    encode_entry,
    encode_genesis,
    encode_tip,
    encode_undo,
    entry_key,
    height_key,
    kept_context_key,
    left_context_key,
    left_key,
    pair,
    penalties_key,
    proof_file_key,
    rounds_key,
    settled_key,
    undo_key,
)
from esper.storage.errors import AlreadyOnChainError, RewindLimitError
from esper.storage.kv.store_port import KeyValueView, Write
from esper.storage.node_log import block_nodes
from esper.storage.receipt_log import ReceiptLog
from esper.storage.segments.segment_reader import Locator
from esper.storage.state.disk_state_tree import DiskStateTree, StateUpdate
from esper.vm.view import Change

CONTEXT_EVERY: Final = 16
"""Of so many blocks one keeps its context for good: from there the others are had from headers."""


@dataclass(frozen=True, slots=True)
class StoredExecution:
    """What running a block gave."""

    changes: tuple[Change, ...]
    """Ascending in path: path, value before, value after. The values before are the undo."""
    receipts: tuple[bytes, ...]
    """In the order of the block."""
    context: bytes = b""
    """What the caller must know of the chain up to this block to judge the next one."""
    shared: int = 0
    """So many bytes at its end are those of many other blocks too, and stored once for all."""
    keeps_context: bool = False
    """Whether it is kept for good: the next block's does not follow from headers alone."""
    parent_leaf: bytes = b""
    """The parent as the range over all blocks takes it in."""
    settled: bytes = b""
    """What became of coins that proposals held, as the caller writes it; empty for nothing."""
    rounds: bytes = b""
    """What rounds of hidden sets came to, as the caller writes it; empty for nothing."""
    penalties: bytes = b""
    """What evidence took from gateways, as the caller writes it; empty for nothing."""


@dataclass(frozen=True, slots=True)
class BlockPlaces:
    """Where the files hold a block, and where they end with it."""

    block: Locator
    """Its journal entry."""
    proof: Locator | None
    """Its proof, None if it is not kept."""
    journal: Locator
    """End of the journal."""
    proofs: Locator
    """End of the proof files."""


@dataclass(frozen=True, slots=True)
class GenesisState:
    """The state before the first block, as the caller makes it."""

    block_id: BlockId
    """64 bytes: what the block at height 1 names as its parent."""
    records: tuple[tuple[bytes, bytes], ...]
    """Path and value of every state record, ascending in path."""


def begin(index: ChainIndex[KeyValueView], genesis: GenesisState) -> tuple[Write, ...]:
    """The writes that make a new index."""
    changes = [Change(path, None, value) for path, value in genesis.records]
    update = DiskStateTree(index.store).update(changes)
    tip = Tip(0, genesis.block_id, update.root, 0, (0, 0), (0, 0))
    return (
        *update.writes,
        (GENESIS_KEY, encode_genesis(Genesis(genesis.block_id, update.root))),
        (TIP_KEY, encode_tip(tip)),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A block that was found to fit the tip, before it is in the files."""

    block_id: BlockId
    """64 bytes."""
    height: int
    """One above the tip."""
    update: StateUpdate
    """The state after it."""
    undo: tuple[OldValue, ...]
    """The state before it."""
    receipts_before: int
    """Receipts up to the tip."""
    receipts: tuple[bytes, ...]
    """Its own."""
    context: bytes
    """The caller's."""
    shared: int
    """Bytes at its end that are stored once for all."""
    keeps_context: bool
    """Whether it is kept for good."""
    parent_leaf: bytes
    """The tip in the range over all blocks."""
    settled: bytes
    """What became of coins that proposals held."""
    rounds: bytes
    """What rounds of hidden sets came to."""
    penalties: bytes
    """What evidence took from gateways."""


def plan(
    index: ChainIndex[KeyValueView],
    block_id: BlockId,
    execution: StoredExecution,
    update: StateUpdate | None = None,
) -> Step:
    """Compare a block's changes with the state.

    ``update`` is what these very changes do to this very state, where the caller has it. Raises
    StateChangeError if they do not fit, AlreadyOnChainError for a block of the chain.
    """
    tip = index.tip
    height = 0 if block_id == index.genesis.block_id else index.height_of(block_id)
    if height is not None:
        raise AlreadyOnChainError(block_id, height)
    if update is None:
        update = DiskStateTree(index.store).update(execution.changes)
    undo = tuple(
        OldValue(path, () if old is None else (old,)) for path, old, _ in execution.changes
    )
    return Step(
        block_id,
        tip.height + 1,
        update,
        undo,
        tip.receipts,
        execution.receipts,
        execution.context,
        execution.shared,
        execution.keeps_context,
        execution.parent_leaf,
        execution.settled,
        execution.rounds,
        execution.penalties,
    )


def upwards(
    index: ChainIndex[KeyValueView], step: Step, places: BlockPlaces, undo_depth: int
) -> tuple[Write, ...]:
    """The writes that make a planned block the tip, once it lies in the files."""
    receipts = step.receipts_before + len(step.receipts)
    root = step.update.root
    proof = () if places.proof is None else (pair(places.proof),)
    entry = BlockEntry(step.block_id, root, receipts, pair(places.block), proof)
    tip = Tip(step.height, step.block_id, root, receipts, pair(places.journal), pair(places.proofs))
    writes: list[Write] = [
        *step.update.writes,
        *ReceiptLog(index.store).append(step.receipts_before, step.receipts),
        *block_nodes(index.store).append(step.height - 1, [step.parent_leaf]),
        (entry_key(step.height), encode_entry(entry)),
        (height_key(step.block_id), u64(step.height)),
        (undo_key(step.height), encode_undo(step.undo)),
        *index.context_writes(context_key(step.height), step.context, step.shared),
        (TIP_KEY, encode_tip(tip)),
    ]
    if step.settled:
        writes.append((settled_key(step.height), step.settled))
    if step.rounds:
        writes.append((rounds_key(step.height), step.rounds))
    if step.penalties:
        writes.append((penalties_key(step.height), step.penalties))
    if step.keeps_context:
        writes.append((kept_context_key(step.height), b""))
    if places.proof is not None:
        # The newest block of the chain is its highest, so this is the greatest in the file.
        writes.append((proof_file_key(places.proof.file), u64(step.height)))
    kept_from = index.undo_from
    if step.height > undo_depth and (kept_from is None or step.height - undo_depth < kept_from):
        writes += forget_undo(index, step.height - undo_depth)
    return tuple(writes)


def forget_undo(index: ChainIndex[KeyValueView], height: int) -> tuple[Write, ...]:
    """The writes that keep a block from being taken off any more.

    The parent of the deepest block that can be taken off keeps its context, and so do one block of
    CONTEXT_EVERY and those whose execution asked for it.
    """
    undo = (undo_key(height), None)
    return (undo,) if _keeps(index, height - 1) else (undo, (context_key(height - 1), None))


def _keeps(index: ChainIndex[KeyValueView], height: int) -> bool:
    return height % CONTEXT_EVERY == 0 or index.keeps_context(height)


@dataclass(frozen=True, slots=True)
class StepBack:
    """The way from the tip to its parent."""

    parent: Tip
    """The tip afterwards, its ends of files still those of before."""
    removed: BlockId
    """64 bytes: id of the block taken off."""
    writes: tuple[Write, ...]
    """All but the tip itself."""


def plan_back(index: ChainIndex[KeyValueView], *, left: bool = False) -> StepBack:
    """How to take the tip off; ``left``: it is to be found by its id all the same.

    Raises RewindLimitError where no undo record is kept, IndexCorruptError if undoing does not
    give the parent's state.
    """
    tip = index.tip
    undo = index.undo(tip.height)
    if undo is None:
        raise RewindLimitError(tip.height)
    block_id, root, receipts = _parent(index, tip.height)
    tree = DiskStateTree(index.store)
    update = tree.update(_reversed(tree, undo))
    if update.root != root:
        raise index.corrupt(f"the undo record of block {tip.height} leads to another state")
    writes: Iterable[Write] = (
        *update.writes,
        *ReceiptLog(index.store).remove(receipts, tip.receipts),
        *block_nodes(index.store).remove(tip.height - 1, tip.height),
        (entry_key(tip.height), None),
        (height_key(tip.block_id), None),
        (undo_key(tip.height), None),
        (context_key(tip.height), None),
        (kept_context_key(tip.height), None),
        (settled_key(tip.height), None),
        (rounds_key(tip.height), None),
        (penalties_key(tip.height), None),
    )
    if left:
        writes = (*writes, (left_key(tip.block_id), encode_entry(index.entry(tip.height))))
        context = index.store.get(context_key(tip.height))
        if context is not None and _keeps(index, tip.height):
            writes = (*writes, (left_context_key(tip.block_id), context))
    parent = Tip(tip.height - 1, block_id, root, receipts, tip.journal, tip.proofs)
    return StepBack(parent, tip.block_id, tuple(writes))


def downwards(back: StepBack, journal: Locator, proofs: Locator) -> tuple[Write, ...]:
    """The writes that take the tip off, once that lies in the journal."""
    parent = back.parent
    tip = Tip(
        parent.height,
        parent.block_id,
        parent.state_root,
        parent.receipts,
        pair(journal),
        pair(proofs),
    )
    return (*back.writes, (TIP_KEY, encode_tip(tip)))


def _parent(index: ChainIndex[KeyValueView], height: int) -> tuple[BlockId, bytes, int]:
    """Block id, state root and receipts of the block below."""
    if height == 1:
        return index.genesis.block_id, index.genesis.state_root, 0
    entry = index.entry(height - 1)
    return entry.block_id, entry.state_root, entry.receipts


def _reversed(tree: DiskStateTree, undo: Sequence[OldValue]) -> list[Change]:
    return [
        Change(old.path, tree.get(old.path), old.value[0] if old.value else None) for old in undo
    ]
