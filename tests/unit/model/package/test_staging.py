"""Packages on their way: nothing but right chunks count, whatever ends the process and when."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.model.package.digests import chunk_digest, package_root
from esper.model.package.errors import (
    ChunkDigestError,
    ChunkIndexError,
    ChunkMissingError,
    DigestListError,
    PackageDefectError,
)
from esper.model.package.manifest import Manifest, PackagedFile
from esper.model.package.package import Package
from esper.model.package.port import CHUNK_BYTES
from esper.model.package.staging import PackageFolder
from tests.support.package_folders import packed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, list[bytes]]:
    return packed(tmp_path_factory.mktemp("source"))


def begun(place: Path, package: Package) -> PackageFolder:
    return PackageFolder.create(place, package.root, b"".join(package.digests))


def opened(place: Path, package: Package) -> PackageFolder:
    found = PackageFolder.open(place, package.root)
    assert found is not None
    return found


def test_the_manifest_comes_first(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, chunks = made
    found = begun(tmp_path / "x.part", package)
    assert found.missing() == (0,)
    assert found.digest_count() == len(chunks) == 8
    with pytest.raises(ChunkIndexError, match="manifest"):
        found.put(1, chunks[1])
    found.put(0, chunks[0])
    assert found.missing() == tuple(range(1, len(chunks)))
    assert found.has(0)
    assert not found.has(1)
    assert not found.has(-1)
    assert not found.has(8)


def test_from_the_first_chunk_to_a_whole_package(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    found = begun(tmp_path / "x.part", package)
    for index in (0, 7, 3, 5, 4, 6, 2):
        found.put(index, chunks[index])
        assert found.get(index) == chunks[index]
    with pytest.raises(ChunkMissingError):
        found.complete()
    found.put(1, chunks[1])
    assert found.missing() == ()
    files = found.complete()
    assert files == tmp_path / "x" / "files"
    assert not (tmp_path / "x.part").exists()
    assert found.is_whole
    again = opened(tmp_path / "x", package)
    assert again.is_whole
    assert [again.get(index) for index in range(8)] == chunks
    assert again.complete() == files
    for file in package.manifest.files:
        assert (files / file.text).stat().st_size == file.size


def test_a_false_chunk_changes_nothing(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, chunks = made
    found = begun(tmp_path / "x.part", package)
    with pytest.raises(ChunkDigestError) as told:
        found.put(0, chunks[1])
    assert told.value.index == 0
    found.put(0, chunks[0])
    for wrong in (chunks[2], chunks[1] + b"x", chunks[1][:-1], b"", bytes(CHUNK_BYTES + 1)):
        with pytest.raises(ChunkDigestError):
            found.put(1, wrong)
    assert found.missing() == tuple(range(1, 8))
    for index in (-1, 8):
        with pytest.raises(ChunkIndexError):
            found.put(index, chunks[1])
        with pytest.raises(ChunkIndexError):
            found.get(index)
    with pytest.raises(ChunkMissingError):
        found.get(1)


def test_a_list_that_is_another_packages(tmp_path: Path, made: tuple[Package, list[bytes]]) -> None:
    package, _ = made
    digests = b"".join(package.digests)
    for wrong in (
        digests[:-32],
        digests[:-1],
        digests + bytes(32),
        digests[32:] + digests[:32],
        b"",
    ):
        with pytest.raises(DigestListError):
            PackageFolder.create(tmp_path / "x.part", package.root, wrong)
    assert not (tmp_path / "x.part").exists()


def test_a_manifest_that_does_not_fit_its_list(tmp_path: Path) -> None:
    """Nobody who sends it is to blame: the root itself names what cannot be."""
    names = ("LICENSE", "bank.json", "config.json", "g16.safetensors", "tokenizer.json")
    manifest = Manifest(tuple(PackagedFile(name.encode(), 5) for name in names)).to_bytes()
    short = [manifest, *([b"right"] * 4)]
    none = [b"no manifest", *([b"right"] * 5)]
    for number, chunks in enumerate((short, none)):
        digests = [chunk_digest(chunk) for chunk in chunks]
        root = package_root(digests)
        found = PackageFolder.create(tmp_path / f"{number}.part", root, b"".join(digests))
        with pytest.raises(PackageDefectError):
            found.put(0, chunks[0])
        assert found.missing() == (0,)
    chunks = [manifest, *([b"right"] * 4), b"longer"]
    digests = [chunk_digest(chunk) for chunk in chunks]
    root = package_root(digests)
    found = PackageFolder.create(tmp_path / "last.part", root, b"".join(digests))
    found.put(0, manifest)
    with pytest.raises(PackageDefectError, match="6 bytes"):
        found.put(5, b"longer")


kills = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["cut", "zero", "grow", "gone"]), st.floats(0, 1)),
    max_size=4,
)


@given(st.permutations(range(1, 8)), st.integers(0, 7), kills)
def test_what_a_kill_leaves_is_told_by_digests(
    made: tuple[Package, list[bytes]],
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    count: int,
    spoils: list[tuple[int, str, float]],
) -> None:
    package, chunks = made
    place = tmp_path_factory.mktemp("killed") / "x.part"
    found = begun(place, package)
    found.put(0, chunks[0])
    for index in order[:count]:
        found.put(index, chunks[index])
    # What had not reached the disk when the machine stopped.
    files = [place / "manifest", *(place / "files" / one.text for one in package.manifest.files)]
    for number, how, where in spoils:
        spoil(files[number % len(files)], how, where)
    again = opened(place, package)
    for index in range(8):
        if again.has(index):
            assert again.get(index) == chunks[index]
    if not spoils:
        assert set(again.missing()) == set(order[count:])
    while again.missing():
        for index in again.missing():
            again.put(index, chunks[index])
    whole = again.complete()
    for one in package.manifest.files:
        assert (whole / one.text).stat().st_size == one.size
    kept = opened(place.with_name("x"), package)
    assert [kept.get(index) for index in range(8)] == chunks


def spoil(file: Path, how: str, where: float) -> None:
    if not file.exists():
        return
    size = file.stat().st_size
    at = int(size * where)
    match how:
        case "cut":
            os.truncate(file, at)
        case "zero":
            with file.open("r+b") as stream:
                stream.seek(at)
                stream.write(bytes(min(4096, size - at)))
        case "grow":
            os.truncate(file, size + at + 1)
        case "gone":
            file.unlink()


def test_a_folder_without_its_list_is_none(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    place = tmp_path / "x.part"
    found = begun(place, package)
    for index, chunk in enumerate(chunks):
        found.put(index, chunk)
    os.truncate(place / "digests", 33)
    assert PackageFolder.open(place, package.root) is None
    # With the list again, what lies there counts.
    assert begun(place, package).missing() == ()


def test_what_rots_is_missing_and_can_come_again(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    found = begun(tmp_path / "x.part", package)
    for index, chunk in enumerate(chunks):
        found.put(index, chunk)
    files = found.complete()
    (files.parent / "verified").write_bytes(bytes(64))
    with (files / "g16.safetensors").open("r+b") as stream:
        stream.seek(CHUNK_BYTES + 9)
        stream.write(b"rot")
    kept = opened(tmp_path / "x", package)
    lost = next(index for index in range(8) if not readable(kept, index))
    assert kept.missing() == (lost,)
    assert not (files.parent / "verified").exists(), "what was checked is another now"
    kept.put(lost, chunks[lost])
    assert kept.get(lost) == chunks[lost]
    assert kept.is_whole


def readable(package: PackageFolder, index: int) -> bool:
    try:
        package.get(index)
    except ChunkMissingError:
        return False
    return True


def test_a_link_in_the_place_of_a_file_is_not_followed(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    found = begun(tmp_path / "x.part", package)
    found.put(0, chunks[0])
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    (tmp_path / "x.part" / "files" / "LICENSE").symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        found.put(1, chunks[1])
    assert precious.read_bytes() == b"mine"


def test_what_the_disk_changed_is_missing_once_it_is_looked_at_again(
    tmp_path: Path, made: tuple[Package, list[bytes]]
) -> None:
    package, chunks = made
    found = begun(tmp_path / "x.part", package)
    for index, chunk in enumerate(chunks):
        found.put(index, chunk)
    files = found.complete()
    assert found.look_again()
    (files.parent / "verified").write_bytes(bytes(64))
    (files.parent / "manifest").write_bytes(b"")
    with (files / "tokenizer.json").open("ab") as file:
        file.write(b"more")
    assert found.look_again(), "what is too long is cut, and the manifest is known"
    assert (files.parent / "manifest").read_bytes() == chunks[0]
    (files / "LICENSE").write_bytes(b"another")
    assert not found.look_again()
    assert not found.is_whole
    assert found.folder == tmp_path / "x.part"
    assert not (found.folder / "verified").exists()
    (gone,) = found.missing()
    found.put(gone, chunks[gone])
    assert found.complete() == tmp_path / "x" / "files"
    assert found.look_again()
