"""Weights are read tensor by tensor: a folder takes the memory of its weights, not of its files."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from esper.model.checkpoint import assemble_checkpoint, load_checkpoint
from esper.model.config import Shape
from esper.model.errors import MalformedFileError, MissingFileError
from esper.model.importing.folder import import_model
from esper.model.importing.weight_files import read_weights
from esper.model.safetensors_file import AnyArray, TensorFile, write_container
from tests.spec.random_checkpoint import (
    config_fields,
    named_tensors,
    random_checkpoint,
    write_tokenizer,
)
from tests.support.checkpoint_folders import write_in_parts, write_part

DEEP = Shape(40, 64, 256, layers=12, heads=4, kv_heads=4, head_dim=16, max_seq=64)
CHECKPOINT = random_checkpoint(8, DEEP)
WEIGHTS = sum(array.nbytes for array in named_tensors(CHECKPOINT).values())
LARGEST = 64 * 256 * 4


def _folder(folder: Path, element: str, parts: int) -> Path:
    tensors = {name: (array, element) for name, array in named_tensors(CHECKPOINT).items()}
    (folder / "config.json").write_text(json.dumps(config_fields(CHECKPOINT)))
    if parts == 1:
        write_part(folder / "model.safetensors", tensors)
    else:
        write_in_parts(folder, tensors, parts)
    write_tokenizer(folder, 40)
    return folder


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        kept = work()
        peak = tracemalloc.get_traced_memory()[1]
        del kept
        return peak
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("element", ["F32", "F16", "BF16"])
def test_a_checkpoint_takes_its_weights_and_one_tensor(
    tmp_path: Path, element: str, parts: int
) -> None:
    folder = _folder(tmp_path, element, parts)
    load_checkpoint(folder)  # what the interpreter keeps of a first call is not counted
    assert WEIGHTS < _peak(lambda: load_checkpoint(folder)) < WEIGHTS + 4 * LARGEST + 300_000
    assert _peak(lambda: read_weights(folder)) < 300_000


def test_an_import_takes_the_weights_once(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "BF16", 2)
    import_model(folder, tmp_path / "warm")
    peak = _peak(lambda: import_model(folder, tmp_path / "out"))
    assert WEIGHTS < peak < WEIGHTS + 4 * LARGEST + 500_000
    assert load_checkpoint(tmp_path / "out").fingerprint() == load_checkpoint(folder).fingerprint()


def test_what_is_float32_already_is_not_copied() -> None:
    tensors = named_tensors(CHECKPOINT)
    checkpoint = assemble_checkpoint(CHECKPOINT.config, tensors)
    assert checkpoint.embed is tensors["model.embed_tokens.weight"]


def test_each_tensor_is_its_own(tmp_path: Path) -> None:
    tensors: dict[str, AnyArray] = {
        "a": np.arange(6, dtype=np.int32).reshape(2, 3),
        "b": np.zeros((0, 4), np.int8),
    }
    write_container(tmp_path / "x", {"k": "v"}, tensors)
    file = TensorFile(tmp_path / "x")
    assert (set(file), len(file), dict(file.metadata)) == ({"a", "b"}, 2, {"k": "v"})
    assert file["b"].shape == (0, 4)
    assert "a" in file
    assert "c" not in file
    file["a"][:] = 7
    assert np.array_equal(file["a"], tensors["a"])
    with pytest.raises(KeyError):
        file["c"]


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    tensors = {"a": np.arange(6, dtype=np.int32)}
    path = tmp_path / "x"
    write_container(path, {}, tensors)
    file, content = TensorFile(path), path.read_bytes()
    for other in (content[:-1], content + b"0", b""):
        path.write_bytes(other)
        with pytest.raises(MalformedFileError, match=r"x is malformed: it changed while"):
            file["a"]
    path.unlink()
    with pytest.raises(MissingFileError, match="x cannot be read"):
        file["a"]
