"""What rounds of hidden sets came to: kept while the block is on the chain, and found by model."""

from fractions import Fraction
from pathlib import Path

import pytest

from esper.consensus.chain import BlockBytes
from esper.dao.hidden.rounds import Unjudged
from esper.primitives.codec import decode, encode
from esper.primitives.ids import BlockId, Txid
from esper.storage.chain_index import rounds_key
from esper.storage.history.history_index import HistoryIndex
from esper.storage.history.history_records import NO_TXID, Entry
from esper.storage.tip_moves import StoredExecution
from esper.vm.round_outcome import ROUNDS_OF_BLOCK, RoundOutcome, SetOutcome
from tests.support.storage.memory_store import MemoryStore
from tests.support.storage.store_world import StoreWorld

MODEL, OTHER = Txid(b"m" * 64), Txid(b"o" * 64)
GENESIS, FIRST, SECOND = (BlockId(bytes([at]) * 64) for at in (1, 2, 3))


def of(proven: int, right: int, answered: int = 3) -> SetOutcome:
    name = Txid(bytes([proven, right, answered]) + bytes(61))
    return SetOutcome(name, bytes(33), 200, (5, 9), answered, proven, right, 4, 0)


JUDGED = RoundOutcome(
    *(MODEL, 0, (of(3, 3), of(3, 1), of(1, 0)), 3, 600, 5120, 500, (Txid(b"v" * 64),))
)
NONE = RoundOutcome(MODEL, 1, (), 2, 400, 5120, 0, ())


@pytest.mark.parametrize("left", [False, True])
def test_it_goes_with_its_block(tmp_path: Path, left: bool) -> None:
    with StoreWorld(tmp_path / "data").open() as store:
        block = BlockBytes(b"header", b"body", b"proof")
        store.append(FIRST, block, StoredExecution((), (), rounds=b"rounds"))
        assert store.index.store.get(rounds_key(1)) == b"rounds"
        store.rewind(left=left)
        assert store.index.store.get(rounds_key(1)) is None
        # In another block of this height no round is judged.
        store.append(SECOND, block, StoredExecution((), ()))
        assert store.index.store.get(rounds_key(1)) is None


def test_its_bytes_are_read_as_they_were_written() -> None:
    found = (JUDGED, NONE)
    assert decode(ROUNDS_OF_BLOCK, encode(ROUNDS_OF_BLOCK, found), limit=1 << 12, what="r") == found


def test_scores_and_the_median_are_those_of_the_rules() -> None:
    assert [one.score for one in JUDGED.sets] == [1, Fraction(1, 2), 0]
    assert (JUDGED.median, JUDGED.unjudged) == (Fraction(1, 2), None)
    assert (NONE.median, NONE.unjudged) == (None, Unjudged(2, 400, 5120))
    assert (of(3, 3, answered=1).score, of(0, 0).score) == (None, None)


def test_the_history_finds_it_by_its_model_and_forgets_it_with_its_block() -> None:
    index = HistoryIndex(MemoryStore(), Path("nowhere"), GENESIS)
    index.apply(1, FIRST, 1000, [Entry(NO_TXID, (), outcome=JUDGED)])
    index.apply(2, SECOND, 2000, [Entry(NO_TXID, (), outcome=NONE)])
    assert index.rounds(MODEL) == [(1, JUDGED), (2, NONE)]
    assert index.rounds(OTHER) == []
    index.undo(2)
    assert index.rounds(MODEL) == [(1, JUDGED)]
