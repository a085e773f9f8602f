"""Many steps of the chain store that share one commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from esper.storage.errors import StoreStoppedError, WriteFailedError
from tests.support.crash.fake_chain import append_one
from tests.support.storage.store_check import check_store
from tests.support.storage.store_world import SMALL, StoreWorld, append_group, facts


def test_one_step_is_one_batch_after_the_files_are_synced(
    at: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def tell(thing: object, method: str, name: str) -> None:
        done = getattr(thing, method)

        def noted(*data: object) -> object:
            told.append(name)
            return done(*data)

        monkeypatch.setattr(thing, method, noted)

    with at.open() as store:
        tell(at.index, "write", "batch")
        tell(store._proofs, "commit", "proof")
        tell(store._journal, "commit", "journal")
        append_one(store, 1, **SMALL)
        assert told == ["proof", "journal", "batch"]
        store.rewind()
        # No proof is staged: the first writes nothing.
        assert told[3:] == ["proof", "journal", "batch"]
        with store.group():
            for salt in range(5):
                append_one(store, salt, **SMALL)
            assert told[6:] == []
        assert told[6:] == ["proof", "journal", "batch"]


def test_a_group_is_what_its_blocks_would_be_one_by_one(at: StoreWorld, tmp_path: Path) -> None:
    other = StoreWorld(tmp_path / "other")
    with at.open() as alone, other.open() as grouped:
        for first in range(0, 30, 6):
            for salt in range(first, first + 6):
                append_one(alone, salt, **SMALL)
            with grouped.group():
                for salt in range(first, first + 6):
                    append_one(grouped, salt, **SMALL)
                # Whoever reads from outside sees nothing of it.
                assert grouped.as_of_now().tip.height == first
                assert grouped.tip.height == first + 6
        assert facts(alone) == facts(grouped)
        assert at.index._values == other.index._values
        check_store(grouped)
    with other.open() as again:
        assert again.tip.height == 30
        check_store(again)


def test_a_group_that_ends_with_an_error_was_none(at: StoreWorld) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        before = facts(store)
        with pytest.raises(ZeroDivisionError):
            append_group(store, 2, 3, then=lambda: 1 // 0)
        assert (facts(store), store.staged_bytes) == (before, 0)
        with store.group():
            append_one(store, 4, **SMALL)
        assert store.tip.height == 2
        check_store(store)


def test_nothing_else_goes_into_a_group(at: StoreWorld) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        for other in (lambda: store.prune_proofs(1), store.group().__enter__):
            with pytest.raises(ValueError, match="holds nothing else"), store.group():
                other()
        assert store.tip.height == 1


def test_steps_down_may_share_a_commit_and_leave_their_blocks_readable(at: StoreWorld) -> None:
    with at.open() as store:
        seen = []
        for salt in range(6):
            seen.append(facts(store))
            append_one(store, salt, **SMALL)
        ids = [store.index.entry(height).block_id for height in range(1, 7)]
        parts = [(store.block(h).body, store.proof(h)) for h in range(1, 7)]
        with store.group():
            for _ in range(4):
                store.rewind(left=True)
            append_one(store, 9, **SMALL)
        assert store.tip.height == 3
        store.rewind()
        assert facts(store) == seen[2]
        check_store(store)
        blocks = store.blocks()
        for block_id, (body, proof) in zip(ids[2:], parts[2:], strict=True):
            assert (blocks.body(block_id), blocks.proof(block_id)) == (body, proof)
            assert blocks.height_of(block_id) is None
    with at.open() as store:
        assert facts(store) == seen[2]


@pytest.mark.parametrize("room", [0, 100, 1_500, 3_000])
def test_a_full_disk_takes_back_the_whole_group(at: StoreWorld, room: int) -> None:
    with at.open(segment_bytes=700) as store:
        append_one(store, 1, **SMALL)
        before = facts(store)
        at.disk.room = room
        with pytest.raises(WriteFailedError):
            append_group(store, *range(2, 20))
        assert facts(store) == before
        at.disk.room = 1 << 40
        append_one(store, 30, **SMALL)
        check_store(store)
    with at.open() as store:
        assert store.tip.height == 2
        check_store(store)


def test_a_group_that_the_index_refuses_is_carried_over_when_it_opens(at: StoreWorld) -> None:
    with at.open() as store:
        append_one(store, 1, **SMALL)
        at.index.refuses = True
        with pytest.raises(WriteFailedError):
            append_group(store, *range(2, 6))
        with pytest.raises(StoreStoppedError):
            append_one(store, 7, **SMALL)
    at.index.refuses = False
    with at.open() as store:
        assert store.tip.height == 5
        check_store(store)
