"""What one reader of an integer model refuses, the other refuses; Hugging Face's agrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file

from esper._native import NativeModel
from esper.model.errors import ModelError
from esper.model.g16_format import read_integer_model
from tests.support.model_folders import GENESIS_MODEL

SIZE = 8
FILE = (GENESIS_MODEL / "g16.safetensors").read_bytes()
END = SIZE + int.from_bytes(FILE[:SIZE], "little")
HEADER = FILE[SIZE:END].decode()
METADATA = json.loads(HEADER)["__metadata__"]["g16"]


def written(header: bytes, folder: Path) -> Path:
    (folder / "g16.safetensors").write_bytes(
        len(header).to_bytes(SIZE, "little") + header + FILE[END:]
    )
    (folder / "config.json").write_bytes((GENESIS_MODEL / "config.json").read_bytes())
    return folder


def verdicts(folder: Path) -> tuple[bool, bool]:
    """Whether the reader in Python takes the folder, and the one in Rust."""
    taken = []
    for read in (read_integer_model, NativeModel.load):
        try:
            read(folder)
        except (ModelError, ValueError):
            taken.append(False)
        else:
            taken.append(True)
    return taken[0], taken[1]


def described(change: Callable[[dict[str, Any]], None]) -> bytes:
    header = json.loads(HEADER)
    change(header)
    return json.dumps(header).encode()


def parameters(change: Callable[[str], str]) -> bytes:
    """The header with another text of the parameters."""
    return described(lambda header: header["__metadata__"].update(g16=change(METADATA)))


def entry(**fields: Any) -> bytes:
    return described(lambda header: header["exp_table"].update(fields))


REFUSED: dict[str, bytes] = {
    "byte order mark": b"\xef\xbb\xbf" + HEADER.encode(),
    "UTF-16": HEADER.encode("utf-16"),
    "UTF-16 without a mark": HEADER.encode("utf-16-le"),
    "UTF-32": HEADER.encode("utf-32-be"),
    "blanks before": b" " * 8 + HEADER.encode(),
    "metadata twice": (HEADER[:-1] + ',"__metadata__":{}}').encode(),
    "metadata twice, the same": ('{"__metadata__":{"a":"b"},' + HEADER[1:]).encode(),
    "a tensor twice": ('{"exp_table":{},' + HEADER[1:]).encode(),
    "a field twice": HEADER.replace('"dtype":"I32"', '"dtype":"I8","dtype":"I32"', 1).encode(),
    "not UTF-8": HEADER.encode().replace(b"exp_table", b"exp\xfftable", 1),
    "half a pair": HEADER.replace('"exp_table"', '"exp_\\ud800"', 1).encode(),
    "a list": b"[]",
    "nothing": b"",
    "followed by more": HEADER.encode() + b"{}",
    "NaN": (HEADER[:-1] + ',"a":NaN}').encode(),
    "metadata of a number": described(lambda h: h["__metadata__"].update(a=1)),
    "metadata of null": described(lambda h: h.update(__metadata__=None)),
    "an unknown tensor": described(lambda h: h.update(more=h["exp_table"])),
    "a hole": described(lambda h: h.pop("exp_table")),
    "shape of floats": entry(shape=[4096.0]),
    "shape of minus zero": HEADER.replace('"shape":[4096]', '"shape":[4096,-0]', 1).encode(),
    "shape of null": entry(shape=None),
    "shape beyond all": entry(shape=[2**62, 0, 2**62]),
    "33 dimensions": entry(shape=[4096] + [1] * 32),
    "offsets of three": entry(data_offsets=[0, 1, 2]),
    "offsets beyond": entry(data_offsets=[2**64, 2**64 + 4096 * 4]),
    "another element": entry(dtype="U32"),
    "no element": entry(dtype=None),
    "parameters twice": parameters(lambda text: '{"vocab":3,' + text[1:]),
    "parameters with a mark": parameters(lambda text: "\ufeff" + text),
    "parameters with NaN": parameters(lambda text: '{"x":NaN,' + text[1:]),
    "parameters beyond": parameters(lambda text: '{"x":1e999,' + text[1:]),
    "parameters of digits": parameters(lambda text: '{"x":' + "9" * 5000 + "," + text[1:]),
    "parameters too deep": parameters(lambda t: '{"x":' + "[" * 127 + "]" * 127 + "," + t[1:]),
}
OFFICIAL_TAKES = (
    *("another element", "33 dimensions", "shape of minus zero", "an unknown tensor"),
    *("metadata of null", "blanks before"),
    *(name for name in REFUSED if name.startswith("parameters ")),
)
"""Ours refuse more: tensors that the format lacks, and what stands in the parameters."""


@pytest.mark.parametrize("name", REFUSED)
def test_both_readers_refuse(tmp_path: Path, name: str) -> None:
    folder = written(REFUSED[name], tmp_path)
    assert verdicts(folder) == (False, False)
    if name not in OFFICIAL_TAKES:
        with pytest.raises(SafetensorError):
            load_file(folder / "g16.safetensors")


@pytest.mark.parametrize(
    "header",
    [
        HEADER.encode(),
        HEADER.encode() + b" " * 5,
        json.dumps(json.loads(HEADER), indent=1).encode(),
        described(lambda h: h["__metadata__"].update(other="x" * 1000)),
        parameters(lambda text: '{"x":' + "[" * 126 + "]" * 126 + "," + text[1:]),
    ],
)
def test_both_readers_take(tmp_path: Path, header: bytes) -> None:
    folder = written(header, tmp_path)
    assert verdicts(folder) == (True, True)
    assert load_file(folder / "g16.safetensors")


def without_tokens(text: str) -> str:
    return json.dumps({k: v for k, v in json.loads(text).items() if k not in ("bos", "eos")})


@pytest.mark.parametrize(
    ("config", "taken"),
    [
        (b'{"bos_token_id": 1, "eos_token_id": 2}', True),
        (b'{"bos_token_id": 1, "eos_token_id": [2]}', False),
        (b'{"bos_token_id": 1, "eos_token_id": 5000}', False),
        (b'{"bos_token_id": 1, "bos_token_id": 1, "eos_token_id": 2}', False),
        (b'\xef\xbb\xbf{"bos_token_id": 1, "eos_token_id": 2}', False),
        ('{"bos_token_id": 1, "eos_token_id": 2}'.encode("utf-16"), False),
        (b'{"bos_token_id": 1, "eos_token_id": 2, "x": NaN}', False),
        (b'{"bos_token_id": -0, "eos_token_id": 2}', False),
        (b"[]", False),
        (b"", False),
    ],
)
def test_both_read_the_same_config(tmp_path: Path, config: bytes, taken: bool) -> None:
    folder = written(parameters(without_tokens), tmp_path)
    (folder / "config.json").write_bytes(config)
    assert verdicts(folder) == (taken, taken)
