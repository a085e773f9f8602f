"""A folder becomes a package: its digests and its root, by hand and by the book."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3

from esper.model.errors import MissingFileError
from esper.model.package.digests import checked_digests, chunk_digest, package_root
from esper.model.package.errors import DigestListError, ManifestError
from esper.model.package.manifest import REQUIRED, PackagedFile
from esper.model.package.package import chunks_of, pack
from esper.model.package.port import CHUNK_BYTES, MAX_CHUNKS
from esper.primitives.hashing import make_tag
from esper.primitives.merkle import merkle_root
from tests.support.package_folders import chunks_in, plain_folder


def test_digests_and_root_by_the_book(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "m", 3 * CHUNK_BYTES)
    made = pack(folder)
    chunks = chunks_in(folder, made)
    assert len(chunks) == 1 + 4 + 3
    context = "esper weights chunk v1"
    digests = [blake3(chunk, derive_key_context=context).digest() for chunk in chunks]
    assert list(made.digests) == digests
    assert made.root == merkle_root(make_tag("esper/package/v1"), digests)
    assert checked_digests(made.root, b"".join(digests)) == made.digests


def test_only_what_belongs_to_it_is_taken(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "m")
    plain = pack(folder)
    assert [file.text for file in plain.manifest.files] == list(REQUIRED)
    (folder / "model.safetensors").write_bytes(b"floats")
    (folder / "calibration.json").write_bytes(b"{}")
    assert pack(folder) == plain
    (folder / "tokenizer_config.json").write_bytes(b"{}")
    (folder / "chat_template.jinja").write_bytes(b"{}")
    assert len(pack(folder).manifest.files) == 7
    more = pack(folder, more=("calibration.json",))
    assert "calibration.json" in [file.text for file in more.manifest.files]
    assert more.root != plain.root


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = pack(
        plain_folder(tmp_path / "m"), progress=lambda _, done, total: told.append((done, total))
    )
    assert told[-1] == (made.manifest.chunks, made.manifest.chunks)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_file_that_is_missing(tmp_path: Path, name: str) -> None:
    folder = plain_folder(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(MissingFileError, match=name):
        pack(folder)
    os.mkfifo(folder / name)
    with pytest.raises(MissingFileError, match="no ordinary file"):
        pack(folder)


def test_a_file_that_is_empty(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "m")
    (folder / "bank.json").write_bytes(b"")
    with pytest.raises(ManifestError, match=r"bank\.json"):
        pack(folder)


@pytest.mark.parametrize("size", [3, 5])
def test_a_file_that_changes_meanwhile(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(b"four")
    with pytest.raises(ManifestError, match="while it was read"):
        list(chunks_of(tmp_path, PackagedFile(b"a", size)))


def test_a_list_is_bounded_before_it_is_read() -> None:
    for size in (0, 31, 32, 65, 32 * (MAX_CHUNKS + 1)):
        with pytest.raises(DigestListError, match="must be"):
            checked_digests(bytes(64), bytes(size))
    right = [chunk_digest(b"a"), chunk_digest(b"b")]
    checked_digests(package_root(right), b"".join(right))
    with pytest.raises(DigestListError, match="another"):
        checked_digests(package_root(right), b"".join(right[::-1]))
