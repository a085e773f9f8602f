"""Manifests: what they may say, and where chunks stand by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.model.package.chunks import ChunkPlan
from esper.model.package.errors import ChunkIndexError, ManifestError
from esper.model.package.manifest import (
    MOST_BYTES,
    REQUIRED,
    Manifest,
    PackagedFile,
    decode_manifest,
)
from esper.model.package.port import CHUNK_BYTES, MAX_CHUNKS
from esper.primitives.codec import Array, FixedBytes, Unsigned, VarBytes, encode


def manifest(*more: tuple[str, int], size: int = 5, without: str = "") -> Manifest:
    files = [(name, size) for name in REQUIRED if name != without]
    return Manifest(
        tuple(PackagedFile(name.encode(), length) for name, length in sorted([*files, *more]))
    )


def test_it_reads_what_it_writes() -> None:
    made = manifest(("suite-1.json", 9), ("a", 1), ("0_-.x", 3))
    assert decode_manifest(made.to_bytes()) == made
    assert made.size == 5 * 5 + 13


@pytest.mark.parametrize("name", REQUIRED)
def test_every_package_has_these(name: str) -> None:
    with pytest.raises(ManifestError, match=name):
        manifest(without=name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../bank.json",
        "a/b",
        "a\\b",
        ".hidden",
        "-rf",
        "A",
        "license.TXT",
        "a b",
        "a\0b",
        "a:b",
        "ü",
        "a" * 65,
    ],
)
def test_names_that_could_lead_elsewhere(name: str) -> None:
    with pytest.raises(ManifestError):
        manifest((name, 1))


def test_names_ascend() -> None:
    files = manifest().files
    for wrong in (files[::-1], (*files, files[-1])):
        with pytest.raises(ManifestError, match="ascend"):
            Manifest(wrong)


def test_an_empty_file_is_left_out() -> None:
    with pytest.raises(ManifestError, match="empty"):
        manifest(("a", 0))


def test_a_package_has_a_largest_size() -> None:
    free = MAX_CHUNKS - manifest().chunks
    assert manifest(("a", free * CHUNK_BYTES)).chunks == MAX_CHUNKS
    with pytest.raises(ManifestError, match="at most"):
        manifest(("a", free * CHUNK_BYTES + 1))


@pytest.mark.parametrize(("name", "most"), MOST_BYTES.items())
def test_files_that_are_read_whole_have_a_largest_size(name: str, most: int) -> None:
    sizes = dict.fromkeys(REQUIRED, 5) | {name: most}

    def made() -> Manifest:
        return Manifest(tuple(PackagedFile(one.encode(), sizes[one]) for one in sorted(sizes)))

    assert decode_manifest(made().to_bytes()) == made()
    sizes[name] += 1
    with pytest.raises(ManifestError, match=f"{name} has"):
        made()


def test_foreign_bytes() -> None:
    raw = manifest().to_bytes()
    too_many = Array(Array(Unsigned(8), 0), 65)
    for wrong in (
        b"",
        raw + b"\0",
        raw[:-1],
        b"\x92\x02" + raw[2:],
        encode(VarBytes(9), b"manifest"),
        encode(too_many, ((),) * 65),
        encode(FixedBytes(4), b"four"),
    ):
        with pytest.raises(ManifestError):
            decode_manifest(wrong)


sizes = st.one_of(
    st.integers(1, 5 * CHUNK_BYTES),
    st.sampled_from([1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]),
)
names = st.text("abcdefghij0123456789._-", min_size=1, max_size=9).filter(
    lambda name: name[0] not in ".-" and name not in REQUIRED
)


@given(st.dictionaries(names, sizes, max_size=20), st.lists(sizes, min_size=5, max_size=5))
def test_chunks_cover_every_byte_once(more: dict[str, int], lengths: list[int]) -> None:
    pairs = zip(REQUIRED, lengths, strict=True)
    capped = {name: min(size, MOST_BYTES.get(name, size)) for name, size in pairs}
    all_sizes = more | capped
    made = Manifest(
        tuple(PackagedFile(name.encode(), size) for name, size in sorted(all_sizes.items()))
    )
    plan = ChunkPlan(made)
    assert plan.count == made.chunks
    places = [plan.place(index) for index in range(1, plan.count)]
    met: dict[str, int] = {}
    for place in places:
        name = place.file.text
        assert place.offset == met.get(name, 0), "no byte is left out, none stands twice"
        assert 1 <= place.length <= CHUNK_BYTES
        met[name] = place.offset + place.length
        # Only the last chunk of a file is shorter.
        assert place.length == CHUNK_BYTES or met[name] == place.file.size
    assert met == all_sizes
    assert [place.file.text for place in places] == sorted(place.file.text for place in places)


@pytest.mark.parametrize("index", [-1, 0, 6, 1 << 40])
def test_no_such_chunk(index: int) -> None:
    with pytest.raises(ChunkIndexError):
        ChunkPlan(manifest()).place(index)
