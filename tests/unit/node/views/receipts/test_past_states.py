"""The state of some blocks ago is that of then, record by record and proof by proof."""

from pathlib import Path

import pytest

from esper.storage.chain_index import undo_key
from esper.storage.errors import IndexCorruptError, RewindLimitError
from esper.storage.kv.memory_layer import MemoryLayer
from esper.storage.state.past_states import PastStates
from esper.vm.records import BLOCKS_PATH, RECEIPTS_PATH
from tests.support.node.node_world import NodeWorld, copied, go, node_world, pay
from tests.support.storage.memory_store import MemoryStore
from tests.support.vm_world import BOB, CAROL


def test_states_of_then(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node"), mines=False) as world:
            store, past = world.node.manager.store, PastStates()
            then = [dict(store.state)]
            proofs = [[store.state.prove(path) for path in (BLOCKS_PATH, RECEIPTS_PATH)]]
            for _ in range(4):
                await world.others_turn(world.signed(BOB, pay(CAROL)))
                then.append(dict(store.state))
                proofs.append([store.state.prove(one) for one in (BLOCKS_PATH, RECEIPTS_PATH)])
            reader = store.as_of_now()
            for blocks in (0, 4, 1, 1, 3, 2):
                found = past.below(reader, blocks)
                assert dict(found) == then[-1 - blocks]
                assert [found.prove(one) for one in (BLOCKS_PATH, RECEIPTS_PATH)] == proofs[
                    -1 - blocks
                ]
            # Down to the genesis block, and no further.
            tip = store.tip.height
            assert past.below(reader, tip).root == store.index.genesis.state_root
            with pytest.raises(RewindLimitError):
                past.below(reader, tip + 1)
            await world.others_turn()
            assert dict(past.below(store.as_of_now(), 1)) == then[-1]

    go(main)


def test_undo_records_that_are_wrong_or_gone(grown: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(grown, tmp_path / "node"), mines=False) as world:
            check(world)

    def check(world: NodeWorld) -> None:
        store = world.node.manager.store
        tip, kept = store.tip.height, store.index.store
        other = kept.get(undo_key(1))
        kept.write([(undo_key(tip - 1), other)])
        with pytest.raises(IndexCorruptError, match="another state"):
            PastStates().below(store.as_of_now(), 2)
        kept.write([(undo_key(tip - 1), None)])
        with pytest.raises(RewindLimitError):
            PastStates().below(store.as_of_now(), 2)

    go(main)


def test_a_layer_leaves_its_base_as_it_is() -> None:
    base = MemoryStore()
    base.write([(b"a1", b"1"), (b"a2", b"2"), (b"b", b"3")])
    layer = MemoryLayer(base)
    layer.write([(b"a2", None), (b"a3", b"4"), (b"a1", b"5")])
    assert [layer.get(key) for key in (b"a1", b"a2", b"a3", b"b")] == [b"5", None, b"4", b"3"]
    assert list(layer.items(b"a")) == [(b"a1", b"5"), (b"a3", b"4")]
    assert list(layer.items_down(b"a", b"a3")) == [(b"a1", b"5")]
    assert list(base.items(b"a")) == [(b"a1", b"1"), (b"a2", b"2")]
    again = MemoryLayer(base, layer.written)
    again.write([(b"a3", None)])
    assert (again.get(b"a3"), layer.get(b"a3")) == (None, b"4")
