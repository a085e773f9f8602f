from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from esper.model.errors import MalformedFileError, MissingFileError
from esper.model.files.safetensors_header import read_metadata
from esper.model.safetensors_file import AnyArray, read_container, write_container


def _file(path: Path, header: Any, body: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


def _entry(begin: int, end: int, shape: list[int], element: str = "I8") -> dict[str, Any]:
    return {"dtype": element, "shape": shape, "data_offsets": [begin, end]}


def test_the_public_package_reads_what_we_write(tmp_path: Path) -> None:
    tensors: dict[str, AnyArray] = {
        "b": np.arange(6, dtype=np.int32).reshape(2, 3),
        "a": np.arange(5, dtype=np.int8),
        "c": np.array([[1.5]], dtype=np.float32),
        "d": np.arange(3, dtype=np.int16),
    }
    write_container(tmp_path / "x", {"k": "v"}, tensors)
    ours, theirs = read_container(tmp_path / "x"), load_file(tmp_path / "x")
    assert ours[0] == read_metadata(tmp_path / "x") == {"k": "v"}
    for name, array in tensors.items():
        for got in (ours[1][name], theirs[name]):
            assert got.dtype == array.dtype
            assert np.array_equal(got, array)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    one: dict[str, AnyArray] = {"a": np.zeros(3, dtype=np.int8), "b": np.ones(2, dtype=np.int32)}
    write_container(tmp_path / "x", {"k": "v", "l": "w"}, one)
    write_container(tmp_path / "y", {"l": "w", "k": "v"}, dict(reversed(one.items())))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x", "y"]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"{", b""),
        (b"[]", b""),
        ({"__metadata__": {"k": 1}}, b""),
        ({"a": 3}, b""),
        ({"a": _entry(0, 2, [2], "I64")}, b"12"),
        ({"a": _entry(0, 3, [2])}, b"123"),
        ({"a": _entry(0, 2, [3])}, b"12"),
        ({"a": _entry(0, 9, [9])}, b"12"),
        ({"a": _entry(2, 0, [2])}, b"12"),
        ({"a": _entry(0, 2, [-2])}, b"12"),
        ({"a": _entry(0, 0, [2**62, 0, 2])}, b""),
        ({"a": _entry(0, 0, [2**100, 0])}, b""),
        ({"a": _entry(0, 2, [2] + [1] * 32)}, b"12"),
        ({"a": _entry(0, 2, [True, 2])}, b"12"),
        ({"a": {"dtype": "I8", "shape": [2], "data_offsets": [0]}}, b"12"),
        ({"a": _entry(0, 2, [2]), "b": _entry(1, 3, [2])}, b"123"),
        ({"a": _entry(1, 3, [2])}, b"123"),
        ({"a": _entry(0, 2, [2])}, b"123"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, header: Any, body: bytes) -> None:
    with pytest.raises(MalformedFileError):
        read_container(_file(tmp_path / "x", header, body))


@pytest.mark.parametrize("content", [b"", b"\1\0\0", b"\xff" * 12])
def test_truncated_headers_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    for read in (read_container, read_metadata):
        with pytest.raises(MalformedFileError):
            read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (read_container, read_metadata):
        with pytest.raises(MissingFileError, match="absent"):
            read(tmp_path / "absent")
