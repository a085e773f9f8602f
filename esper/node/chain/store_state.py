"""The state on disk behind the port of consensus, and blocks run again from the files."""

from collections.abc import Sequence

from esper.consensus.block import decode_body
from esper.consensus.block_isolation import read_content
from esper.consensus.context import ChainContext
from esper.consensus.context_record import decode_context, encode_context, shared_bytes
from esper.consensus.execution import BlockExecution, execute_block, genesis_state
from esper.consensus.header import decode_header
from esper.crypto.signatures import SignatureClaim
from esper.primitives.codec import encode
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.errors import StorageError
from esper.storage.segments.block_files import BlockAdded
from esper.storage.state.disk_state_tree import DiskStateTree
from esper.storage.store_options import Replay
from esper.storage.tip_moves import GenesisState, StoredExecution
from esper.vm.governance.proving.taken_penalty import PENALTIES
from esper.vm.round_outcome import ROUNDS_OF_BLOCK
from esper.vm.settled_bond import SETTLED
from esper.vm.view import Change


class ReplayError(StorageError):
    """A stored block that leads to another state than its header says: another program's rules."""


class TreeState:
    """A state tree on disk."""

    def __init__(self, tree: DiskStateTree) -> None:
        self._tree = tree

    def get(self, path: bytes) -> bytes | None:
        """The record's bytes at a 32-byte path, None if there is none."""
        return self._tree.get(path)

    def root_after(self, changes: Sequence[Change]) -> bytes:
        """32 bytes: the root after changes by ascending path. Nothing is written."""
        return self._tree.update(changes).root


class StoreState:
    """The state of a store's tip, as it is whenever it is asked."""

    def __init__(self, store: ChainStore) -> None:
        self._store = store

    def get(self, path: bytes) -> bytes | None:
        """The record's bytes at a 32-byte path, None if there is none."""
        return self._store.state.get(path)

    def root_after(self, changes: Sequence[Change]) -> bytes:
        """32 bytes: the root after changes by ascending path. Nothing is written."""
        return self._store.update(tuple(changes)).root


class _Believed:
    """Signatures of blocks that were checked before they were stored."""

    def first_invalid(self, claims: Sequence[SignatureClaim]) -> int | None:
        return None


def stored_execution(execution: BlockExecution, context: ChainContext) -> StoredExecution:
    """What the store keeps of a block's execution; ``context`` is the chain with it on top."""
    return StoredExecution(
        changes=execution.changes,
        receipts=tuple(receipt.to_bytes() for receipt in execution.receipts),
        context=encode_context(context),
        shared=shared_bytes(context),
        keeps_context=bool(execution.confirmed),
        parent_leaf=execution.parent_leaf,
        settled=encode(SETTLED, execution.settled) if execution.settled else b"",
        rounds=encode(ROUNDS_OF_BLOCK, execution.rounds) if execution.rounds else b"",
        penalties=encode(PENALTIES, execution.penalties) if execution.penalties else b"",
    )


def genesis_of(params: NetworkParameters) -> GenesisState:
    """The state before the first block, for a new store."""
    context = ChainContext.genesis(params)
    state = genesis_state(params, context.genesis_hash)
    return GenesisState(context.tip_id, tuple(sorted(state.tree)))


def replay_of(params: NetworkParameters) -> Replay:
    """Runs blocks of a network's store again; signatures and proofs were checked before."""

    def replay(entry: BlockAdded, tree: DiskStateTree, context: bytes) -> StoredExecution:
        """Raises ReplayError if the block does not lead to the state that its header promises."""
        chain = decode_context(context, params)
        limits = params.limits
        header = decode_header(entry.header, limits.header_bytes)
        body = decode_body(entry.body, limits.body_bytes)
        content = read_content(body, header.pre, limits)
        state = TreeState(tree)
        payee, mined = header.pre.payee, chain.entry_for(header)
        at = chain.execution_context(state, payee, content.answers, _Believed(), mined)
        execution = execute_block(state, chain.tip_work, content.transactions, at)
        if state.root_after(execution.changes) != header.pre.state_root:
            raise ReplayError(
                f"block {header.pre.height} leads to another state than it says; "
                "the data directory was written by a program of other rules"
            )
        extended = chain.extended(header, body.outputs, execution.paid_tokens, execution.confirmed)
        return stored_execution(execution, extended)

    return replay
