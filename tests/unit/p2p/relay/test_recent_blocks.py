"""The last proven blocks, in memory."""

import pytest

from esper.consensus.chain import BlockBytes
from esper.p2p.limits import RECENT_BLOCKS, RECENT_BYTES
from esper.p2p.relay.compact import prefixes_of
from esper.p2p.relay.recent_blocks import RecentBlocks
from tests.support.net.relay_world import GENESIS, chain_of, made_on, parts_of, transactions_of

BLOCKS = chain_of(3)


def test_a_block_is_found_by_id_and_its_transactions_by_prefix() -> None:
    recent = RecentBlocks()
    made = made_on(GENESIS, "alice")
    recent.add(made.block_id, parts_of(made))
    [first, _] = transactions_of(made)
    found = recent.get(made.block_id)
    assert found is not None
    assert found.transactions == transactions_of(made)
    assert recent.by_prefix(prefixes_of([first])[0]) == (first,)
    assert recent.by_prefix(bytes(16)) == ()
    assert recent.get(bytes(64)) is None


def test_a_block_of_bytes_is_read_when_somebody_wants_it() -> None:
    recent = RecentBlocks()
    made = made_on(GENESIS, "alice")
    recent.add(made.block_id, made.data)
    [first, _] = transactions_of(made)
    assert recent.by_prefix(prefixes_of([first])[0]) == (first,)
    found = recent.get(made.block_id)
    assert found is not None
    assert found.outputs == parts_of(made).outputs


def test_a_transaction_of_two_blocks_is_one_candidate() -> None:
    recent = RecentBlocks()
    made, rival = made_on(GENESIS, "alice"), made_on(GENESIS, "alice", payee="carol")
    recent.add(made.block_id, made.data)
    recent.add(rival.block_id, rival.data)
    assert transactions_of(made)[0] == transactions_of(rival)[0]
    assert len(recent.by_prefix(prefixes_of(transactions_of(made))[0])) == 1


def test_the_last_eight_are_kept() -> None:
    recent = RecentBlocks()
    blocks = chain_of(RECENT_BLOCKS + 1)
    for made in blocks:
        recent.add(made.block_id, made.data)
    assert recent.count == RECENT_BLOCKS
    assert recent.get(blocks[0].block_id) is None
    assert recent.get(blocks[1].block_id) is not None


def test_twelve_mib_are_kept() -> None:
    recent = RecentBlocks()
    blocks = chain_of(4)
    large = RECENT_BYTES // 3
    for made in blocks:
        recent.add(made.block_id, BlockBytes(b"", bytes(large), b""))
    assert recent.count == 3
    assert recent.held_bytes == 3 * large <= RECENT_BYTES
    recent.add(made_on(GENESIS).block_id, BlockBytes(b"", bytes(RECENT_BYTES), b""))
    assert recent.count == 1
    recent.add(made_on(GENESIS).block_id, BlockBytes(b"", b"", bytes(RECENT_BYTES + 1)))
    assert (recent.count, recent.held_bytes) == (0, 0)


@pytest.mark.parametrize("split", [False, True])
def test_a_block_counts_once(split: bool) -> None:
    recent = RecentBlocks()
    made = BLOCKS[0]
    for _ in range(2):
        recent.add(made.block_id, parts_of(made) if split else made.data)
    assert recent.count == 1
    assert recent.held_bytes >= len(made.data.body)
