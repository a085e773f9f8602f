"""Reading everything that is stored and comparing it: any flipped bit ends in an error."""

from esper.primitives.mmr import Mmr
from esper.storage.chain_store import ChainStore
from esper.storage.errors import ProofPrunedError
from esper.storage.receipt_log import ReceiptLog
from esper.storage.state.state_records import StateRecordError


def check_store(store: ChainStore) -> None:
    """Check files, index, state, blocks, proofs and receipts of an open store.

    Raises SegmentError, BlockFileError, IndexCorruptError, StateRecordError or
    ReceiptMissingError at the first thing that is wrong.
    """
    store.index.store.check()
    for reader in (store.journal, store.proof_files):
        for _ in reader:
            # Reading compares the records' checksums.
            pass
    _check_state(store)
    _check_blocks(store)
    _check_receipts(store)


def _check_state(store: ChainStore) -> None:
    state, tip = store.state, store.tip
    if sum(1 for _ in state) != state.count or state.root != tip.state_root:
        raise StateRecordError(f"its root is not that of block {tip.height}")


def _check_blocks(store: ChainStore) -> None:
    index, tip, before = store.index, store.tip, 0
    for height in range(1, tip.height + 1):
        entry = index.entry(height)
        store.block(height)
        try:
            store.proof(height)
        except ProofPrunedError:
            if entry.proof and entry.proof[0][0] >= index.first_proof_file:
                raise
        if index.height_of(entry.block_id) != height:
            raise index.corrupt(f"block {height} is not found by its id")
        if entry.receipts < before:
            raise index.corrupt(f"block {height} has fewer receipts than its parent")
        before = entry.receipts
        told = (tip.block_id, tip.state_root, tip.receipts)
        if height == tip.height and (entry.block_id, entry.state_root, entry.receipts) != told:
            raise index.corrupt(f"the tip is not block {height}")


def _check_receipts(store: ChainStore) -> None:
    log, count = ReceiptLog(store.index.store), store.tip.receipts
    computed = Mmr()
    for number in range(count):
        computed, _ = computed.extended([log.receipt(number)])
    if computed != log.range(count):
        raise store.index.corrupt("the receipts are not those under the receipt root")
