"""The store of models: who may write, what fits, what lies there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from esper.model.package.disk_rules import DiskRules
from esper.model.package.errors import (
    DigestListError,
    DiskBudgetError,
    StoreInUseError,
    UnknownModelError,
)
from esper.model.package.package import Package, pack
from esper.model.package.port import CHUNK_BYTES, PackageChunks, PackageShelf
from esper.model.package.store import ModelStore
from esper.primitives.ids import ModelId
from tests.support.package_folders import chunks_in, packed, plain_folder

PLENTY = DiskRules(free=lambda _: 1 << 40)
NAME = ModelId(bytes(range(64)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, list[bytes]]:
    return packed(tmp_path_factory.mktemp("source"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ModelStore]:
    with ModelStore.opened(tmp_path, PLENTY) as found:
        yield found


def listed(package: Package) -> bytes:
    return b"".join(package.digests)


def fetched(store: ModelStore, package: Package, chunks: list[bytes]) -> int:
    """Fetch as the network does; how many chunks came from elsewhere than the disk."""
    shelf: PackageShelf = store
    found: PackageChunks = shelf.begin(package.root, listed(package))
    count = 0
    while found.missing():
        index = found.missing()[0]
        found.put(index, chunks[index])
        count += 1
    kept = store.find(package.root)
    assert kept is not None
    kept.complete()
    return count


def test_a_package_is_fetched_and_stays(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, chunks = made
    with ModelStore.opened(tmp_path, PLENTY) as store:
        assert store.find(package.root) is None
        assert fetched(store, package, chunks) == len(chunks)
        assert store.begin(package.root, b"") is store.find(package.root)
    with ModelStore.opened(tmp_path, PLENTY) as store:
        (kept,) = store.kept()
        assert (kept.root, kept.whole, kept.verified) == (package.root, True, False)
        assert kept.chunks_here == kept.chunks == len(chunks)
        assert kept.size == package.manifest.size
        assert (store.files_of(package.root) / "bank.json").read_bytes() == b"bank.json" * 3


def test_half_a_package_goes_on_where_it_was(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    with ModelStore.opened(tmp_path, PLENTY) as store:
        found = store.begin(package.root, listed(package))
        for index in (0, 2, 5):
            found.put(index, chunks[index])
    with ModelStore.opened(tmp_path, PLENTY) as store:
        (kept,) = store.kept()
        assert (kept.whole, kept.chunks_here) == (False, 3)
        with pytest.raises(UnknownModelError):
            store.files_of(package.root)
        assert fetched(store, package, chunks) == len(chunks) - 3


def test_one_program_writes(tmp_path: Path) -> None:
    with (
        ModelStore.opened(tmp_path),
        pytest.raises(StoreInUseError, match="another program"),
        ModelStore.opened(tmp_path),
    ):
        pass
    with ModelStore.opened(tmp_path):
        pass


def test_a_list_of_another_package_begins_nothing(
    store: ModelStore, made: tuple[Package, list[bytes]]
) -> None:
    package, _ = made
    with pytest.raises(DigestListError):
        store.begin(bytes(64), listed(package))
    assert [place.name for place in store.folder.iterdir()] == ["lock"]


def test_the_budget_is_asked_first(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, _ = made
    with (
        ModelStore.opened(tmp_path, DiskRules(budget=CHUNK_BYTES, free=lambda _: 1 << 40)) as store,
        pytest.raises(DiskBudgetError, match="budget"),
    ):
        store.begin(package.root, listed(package))
    assert [place.name for place in (tmp_path / "models").iterdir()] == ["lock"]


def test_the_disk_keeps_its_reserve(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, _ = made
    needed = len(package.digests) * (CHUNK_BYTES + 32)
    for free, fits in ((needed + 99, False), (needed + 100, True)):
        rules = DiskRules(reserve=100, free=lambda _, free=free: free)  # type: ignore[misc]
        with ModelStore.opened(tmp_path, rules) as store:
            if fits:
                store.begin(package.root, listed(package))
            else:
                with pytest.raises(DiskBudgetError, match="free some space"):
                    store.begin(package.root, listed(package))


def test_what_is_still_to_come_counts_as_taken(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    other, _ = packed(tmp_path / "other", mark=1)
    needed = len(other.digests) * (CHUNK_BYTES + 32)
    rules = DiskRules(reserve=0, free=lambda _: needed + 7 * CHUNK_BYTES)
    with ModelStore.opened(tmp_path / "data", rules) as store:
        found = store.begin(package.root, listed(package))
        with pytest.raises(DiskBudgetError, match="free some space"):
            store.begin(other.root, listed(other))
        found.put(0, chunks[0])
        store.begin(other.root, listed(other))


def test_a_false_list_is_told_before_a_full_disk(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    with (
        ModelStore.opened(tmp_path, DiskRules(budget=0)) as store,
        pytest.raises(DigestListError),
    ):
        store.begin(bytes(64), listed(made[0]))


def test_packages_on_their_way_count_as_if_whole(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, _ = made
    other, _ = packed(tmp_path / "other", mark=1)
    rules = DiskRules(budget=12 * CHUNK_BYTES, free=lambda _: 1 << 40)
    with ModelStore.opened(tmp_path / "data", rules) as store:
        store.begin(package.root, listed(package))
        with pytest.raises(DiskBudgetError):
            store.begin(other.root, listed(other))
        store.delete(package.root)
        store.begin(other.root, listed(other))


def test_shared_chunks_come_from_the_disk(
    tmp_path: Path, made: tuple[Package, list[bytes]], store: ModelStore
) -> None:
    package, chunks = made
    fetched(store, package, chunks)
    longer = plain_folder(tmp_path / "longer")
    (longer / "bank.json").write_bytes(b"a longer bank")
    other = pack(longer)
    # The manifest, and the one file that differs.
    assert fetched(store, other, chunks_in(longer, other)) == 2
    assert len(store.kept()) == 2


def test_a_folder_of_this_machine_is_taken_in(
    tmp_path: Path, store: ModelStore, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    kept = store.take_in(plain_folder(tmp_path / "mine"))
    assert kept.root == package.root
    assert [kept.get(index) for index in range(len(chunks))] == chunks
    assert store.take_in(tmp_path / "mine") is kept


def test_a_folder_that_does_not_fit_is_not_taken_in(tmp_path: Path) -> None:
    rules = DiskRules(budget=100, free=lambda _: 1 << 40)
    with ModelStore.opened(tmp_path, rules) as store, pytest.raises(DiskBudgetError):
        store.take_in(plain_folder(tmp_path / "mine"))


def test_what_was_verified_is_known_by_its_model(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    with ModelStore.opened(tmp_path, PLENTY) as store:
        with pytest.raises(UnknownModelError):
            store.verified_as(package.root, NAME)
        fetched(store, package, chunks)
        assert store.roots_of(NAME) == ()
        store.verified_as(package.root, NAME)
    with ModelStore.opened(tmp_path, PLENTY) as store:
        assert store.roots_of(NAME) == (package.root,)
        assert store.kept()[0].verified
    (tmp_path / "models" / package.root.hex() / "verified").write_bytes(b"short")
    with ModelStore.opened(tmp_path, PLENTY) as store:
        assert not store.kept()[0].verified


def test_deleted_for_good(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, chunks = made
    with ModelStore.opened(tmp_path, PLENTY) as store:
        fetched(store, package, chunks)
        store.delete(package.root)
        assert store.find(package.root) is None
        assert store.kept() == ()
        with pytest.raises(UnknownModelError):
            store.delete(package.root)
        assert [place.name for place in store.folder.iterdir()] == ["lock"]
        fetched(store, package, chunks)
    # A kill in the middle of a deletion.
    place = tmp_path / "models" / package.root.hex()
    place.rename(place.with_suffix(".gone"))
    with ModelStore.opened(tmp_path, PLENTY) as store:
        assert store.kept() == ()
        assert [place.name for place in store.folder.iterdir()] == ["lock"]


def test_a_kill_before_the_last_step(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, chunks = made
    with ModelStore.opened(tmp_path, PLENTY) as store:
        fetched(store, package, chunks)
    place = tmp_path / "models" / package.root.hex()
    place.rename(place.with_suffix(".part"))
    with ModelStore.opened(tmp_path, PLENTY) as store:
        assert fetched(store, package, []) == 0
        assert store.kept()[0].whole


def test_a_whole_package_without_its_list_need_not_come_again(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    with ModelStore.opened(tmp_path, PLENTY) as store:
        fetched(store, package, chunks)
    (tmp_path / "models" / package.root.hex() / "digests").write_bytes(b"rot")
    with ModelStore.opened(tmp_path, PLENTY) as store:
        assert store.kept() == ()
        assert fetched(store, package, []) == 0
        assert store.kept()[0].whole


def test_what_else_lies_there_is_left_alone(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    with ModelStore.opened(tmp_path, PLENTY) as store:
        fetched(store, package, chunks)
    folder, away = tmp_path / "models", tmp_path / "away"
    (folder / package.root.hex()).rename(away)
    (folder / package.root.hex()).symlink_to(away)
    (folder / "notes").mkdir()
    (folder / ("ab" * 64 + ".gone")).write_bytes(b"a file")
    with ModelStore.opened(tmp_path, PLENTY) as store:
        assert store.kept() == ()
    assert (away / "digests").exists()
    assert (folder / "notes").exists()
    assert (folder / ("ab" * 64 + ".gone")).exists()
