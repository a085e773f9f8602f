"""What evidence took from gateways: kept while the block stands, and told to both sides."""

from pathlib import Path

import pytest

from esper.consensus.block import Body, Coinbase
from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution
from esper.node.chain.history_entries import block_entries
from esper.node.chain.store_state import stored_execution
from esper.node.chain.told_beside import NOTHING_TOLD, ToldBeside, told_beside
from esper.primitives.codec import decode, encode
from esper.primitives.hashing import u32
from esper.primitives.ids import BlockId, Txid
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import WorkOutputs
from esper.storage.history.history_index import HistoryIndex
from esper.storage.history.history_layout import FORMAT_KEY
from esper.storage.history.history_reader import HistoryUnusableError
from esper.storage.history.history_records import (
    NO_TXID,
    CallMade,
    Entry,
    Happening,
    HistoryEvent,
    What,
)
from esper.storage.tip_moves import StoredExecution
from esper.vm.governance.proving.taken_penalty import PENALTIES, TakenPenalty
from esper.vm.receipt import Receipt
from tests.support.evidence_cases import accusing
from tests.support.storage.memory_store import MemoryStore
from tests.support.storage.store_world import StoreWorld
from tests.support.vm_world import ALICE, BOB, FEE, MINER, address, make

ACCUSER, GATEWAY = address(ALICE), address(BOB)
EVIDENCE = make(ALICE, accusing(BOB).prove(), 0)
TXID, RECEIPT, OTHER = EVIDENCE.txid, Txid(b"r" * 64), Txid(b"o" * 64)
GENESIS, FIRST, SECOND = (BlockId(bytes([at]) * 64) for at in (1, 2, 3))
TAKEN = TakenPenalty(TXID, RECEIPT, GATEWAY, ACCUSER, rewards=3, stake=20, unbonding=4, paid=13)
UNIT = TakenPenalty(TXID, RECEIPT, GATEWAY, ACCUSER, rewards=0, stake=1, unbonding=0, paid=0)
PROVED = Happening(ACCUSER, What.PROVED, 0, FEE)
PAID = Happening(ACCUSER, What.PENALTY_PAID, 13, other=GATEWAY)
LOST = Happening(GATEWAY, What.PENALTY_TAKEN, 27, other=ACCUSER)


def entry(*penalties: TakenPenalty) -> Entry:
    """Of the transaction with the evidence, whose block told these."""
    transactions = (EVIDENCE.to_bytes(), Coinbase(0, 1, address(MINER), 5).to_bytes())
    body = Body(transactions, (), (), WorkOutputs((), ())).to_bytes()
    receipts = [Receipt(EVIDENCE.kind, TXID, ACCUSER, FEE, 0, 0, 0, 0)]
    told = ToldBeside(penalties=penalties)
    return block_entries(body, receipts, REGTEST.limits, no_call, 1, told)[0]


def no_call(call_id: Txid) -> CallMade:
    raise AssertionError(call_id)


@pytest.mark.parametrize("left", [False, True])
def test_it_goes_with_its_block(tmp_path: Path, left: bool) -> None:
    execution = BlockExecution((), (), 0, penalties=(TAKEN, UNIT))
    kept = stored_execution(execution, ChainContext.genesis(REGTEST)).penalties
    with StoreWorld(tmp_path / "data").open() as store:
        block = BlockBytes(b"header", b"body", b"proof")
        store.append(FIRST, block, StoredExecution((), (), penalties=kept))
        assert told_beside(store, 1) == ToldBeside(penalties=(TAKEN, UNIT))
        store.rewind(left=left)
        assert told_beside(store, 1) == NOTHING_TOLD
        # In another block of this height nobody was accused.
        store.append(SECOND, block, StoredExecution((), ()))
        assert told_beside(store, 1) == NOTHING_TOLD


def test_nothing_is_kept_of_a_block_without_evidence() -> None:
    execution = BlockExecution((), (), 0)
    assert stored_execution(execution, ChainContext.genesis(REGTEST)).penalties == b""


def test_its_bytes_are_read_as_they_were_written() -> None:
    found = (TAKEN, UNIT)
    assert decode(PENALTIES, encode(PENALTIES, found), limit=1 << 10, what="p") == found


def test_its_sums() -> None:
    assert (TAKEN.taken, TAKEN.burned, UNIT.taken, UNIT.burned) == (27, 14, 1, 1)


def test_both_sides_have_an_event_under_the_evidence() -> None:
    assert entry(TAKEN) == Entry(TXID, (PROVED, PAID, LOST), penalty=TAKEN)
    # Half of a unit is nothing, and no event.
    lost = Happening(GATEWAY, What.PENALTY_TAKEN, 1, other=ACCUSER)
    assert entry(UNIT).happenings == (PROVED, lost)


def test_what_another_transaction_took_is_not_its() -> None:
    other = TakenPenalty(OTHER, RECEIPT, GATEWAY, ACCUSER, 0, 5, 0, 2)
    assert entry() == entry(other) == Entry(TXID, (PROVED,))


def test_the_history_finds_it_by_its_transaction_and_forgets_it_with_its_block() -> None:
    store = MemoryStore()
    index = HistoryIndex(store, Path("nowhere"), GENESIS)
    before = dict(store.items(b""))
    index.apply(1, FIRST, 1000, [entry(TAKEN), Entry(OTHER, ()), Entry(NO_TXID, ())])
    assert index.penalty(TXID) == TAKEN
    assert index.penalty(OTHER) is None
    assert index.events(GATEWAY, 9)[0] == [
        HistoryEvent(1, 1000, TXID, What.PENALTY_TAKEN, 27, 0, ACCUSER)
    ]
    assert index.events(ACCUSER, 9)[0] == [
        HistoryEvent(1, 1000, TXID, What.PENALTY_PAID, 13, 0, GATEWAY),
        HistoryEvent(1, 1000, TXID, What.PROVED, 0, FEE, b""),
    ]
    index.undo(1)
    assert (index.penalty(TXID), index.events(GATEWAY, 9)[0]) == (None, [])
    assert dict(store.items(b"")) == before


@pytest.mark.parametrize("old", [1, 2, 3])
def test_an_index_of_before_is_not_gone_on_with(old: int) -> None:
    # None of these had penalties.
    store = MemoryStore()
    HistoryIndex(store, Path("nowhere"), GENESIS)
    HistoryIndex(store, Path("nowhere"), GENESIS)
    store.write([(FORMAT_KEY, u32(old) + GENESIS)])
    with pytest.raises(HistoryUnusableError, match="another format"):
        HistoryIndex(store, Path("nowhere"), GENESIS)
