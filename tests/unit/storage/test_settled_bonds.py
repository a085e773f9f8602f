"""What blocks settled of proposals' coins: kept while the block is on the chain, and told."""

from pathlib import Path

import pytest

from esper.consensus.chain import BlockBytes
from esper.primitives.codec import decode, encode
from esper.primitives.ids import BlockId, Txid
from esper.storage.chain_index import settled_key
from esper.storage.history.history_index import HistoryIndex
from esper.storage.history.history_records import NO_TXID, Entry, Happening, HistoryEvent, What
from esper.storage.tip_moves import StoredExecution
from esper.vm.settled_bond import SETTLED, SettledBond
from tests.support.storage.memory_store import MemoryStore
from tests.support.storage.store_world import StoreWorld

ALICE = bytes([1]) * 33
PROPOSAL = Txid(b"p" * 64)
GENESIS, FIRST = BlockId(b"g" * 64), BlockId(b"1" * 64)


@pytest.mark.parametrize("left", [False, True])
def test_it_goes_with_its_block(tmp_path: Path, left: bool) -> None:
    with StoreWorld(tmp_path / "data").open() as store:
        block = BlockBytes(b"header", b"body", b"proof")
        store.append(FIRST, block, StoredExecution((), (), settled=b"bonds"))
        assert store.index.store.get(settled_key(1)) == b"bonds"
        store.rewind(left=left)
        assert store.index.store.get(settled_key(1)) is None
        # Another block of this height settles nothing.
        store.append(BlockId(b"2" * 64), block, StoredExecution((), ()))
        assert store.index.store.get(settled_key(1)) is None


def test_its_bytes_are_read_as_they_were_written() -> None:
    found = (SettledBond(PROPOSAL, ALICE, 9, 1), SettledBond(PROPOSAL, ALICE, 0, 2))
    assert decode(SETTLED, encode(SETTLED, found), limit=1 << 10, what="bonds") == found


def test_its_events_name_the_proposal_which_keeps_its_place() -> None:
    index = HistoryIndex(MemoryStore(), Path("nowhere"), GENESIS)
    proposed = Entry(PROPOSAL, (Happening(ALICE, What.PROPOSED, 10, 1),))
    index.apply(1, FIRST, 1000, [proposed])
    place = index.transaction(PROPOSAL)
    told = (Happening(ALICE, What.BOND_RETURNED, 9), Happening(ALICE, What.BOND_BURNED, 1))
    index.apply(2, BlockId(b"2" * 64), 2000, [Entry(NO_TXID, told, about=PROPOSAL)])
    assert index.events(ALICE, 2)[0] == [
        HistoryEvent(2, 2000, PROPOSAL, What.BOND_BURNED, 1, 0, b""),
        HistoryEvent(2, 2000, PROPOSAL, What.BOND_RETURNED, 9, 0, b""),
    ]
    assert index.transaction(PROPOSAL) == place
    index.undo(2)
    assert [one.what for one in index.events(ALICE, 9)[0]] == [What.PROPOSED]
