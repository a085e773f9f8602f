"""An index and its parts, as somebody writes them who wants another file to be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from esper.model.checkpoint import load_checkpoint
from esper.model.errors import ModelError
from esper.model.importing.weight_files import INDEX_FILE
from tests.spec.random_checkpoint import config_fields, named_tensors, random_checkpoint
from tests.support.checkpoint_folders import write_in_parts, write_part

CHECKPOINT = random_checkpoint(5)
TENSORS = {name: (array, "F32") for name, array in named_tensors(CHECKPOINT).items()}
NORM = "model.norm.weight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint in three parts, beside a secret that is a container as well."""
    inside = tmp_path / "checkpoint"
    inside.mkdir()
    (inside / "config.json").write_text(json.dumps(config_fields(CHECKPOINT)))
    write_in_parts(inside, TENSORS, 3)
    write_part(tmp_path / "secret.safetensors", {NORM: TENSORS[NORM]})
    return inside


def _places(folder: Path) -> dict[str, str]:
    places: dict[str, str] = json.loads((folder / INDEX_FILE).read_bytes())["weight_map"]
    return places


def _refused(folder: Path, places: dict[str, object] | None = None) -> str:
    if places is not None:
        (folder / INDEX_FILE).write_text(json.dumps({"weight_map": places}))
    with pytest.raises(ModelError) as refusal:
        load_checkpoint(folder)
    words = str(refusal.value)
    assert words.isprintable()
    assert len(words) < 700
    return words


def test_three_parts_are_one_checkpoint(folder: Path) -> None:
    assert load_checkpoint(folder).fingerprint() == CHECKPOINT.fingerprint()


@pytest.mark.parametrize(
    "name",
    [
        "../secret.safetensors",
        "../checkpoint/model-00001-of-00003.safetensors",
        "/etc/passwd",
        "~/x.safetensors",
        "a/../model-00001-of-00003.safetensors",
        "model-00001-of-00003.safetensors/",
        "model-00001-of-00003.safetensors\0",
        "a\0.safetensors",
        "a\n.safetensors",
        "\x1b[2J.safetensors",
        "a" * 5000 + ".safetensors",
        "config.json",
        ".",
        None,
        {"file": "x"},
        ["model-00001-of-00003.safetensors"],
    ],
)
def test_a_part_lies_beside_its_index(folder: Path, name: object) -> None:
    words = _refused(folder, {**_places(folder), NORM: name})
    assert INDEX_FILE in words
    assert NORM in words
    assert "plain name of a .safetensors file beside it" in words


def test_a_part_under_two_names_is_held_twice(folder: Path) -> None:
    """A link, or a copy: what the index says of one name it does not say of the other."""
    places = _places(folder)
    (folder / "again.safetensors").symlink_to(places[NORM])
    words = _refused(folder, {**places, NORM: "again.safetensors"})
    assert "is here" in words
    assert "again.safetensors" in words


def test_a_part_that_is_a_link_is_read_as_caches_lay_it_out(folder: Path) -> None:
    part = folder / _places(folder)[NORM]
    part.rename(folder.parent / "blob")
    part.symlink_to(folder.parent / "blob")
    assert load_checkpoint(folder).fingerprint() == CHECKPOINT.fingerprint()


def test_a_part_that_has_no_end_is_not_waited_for(folder: Path) -> None:
    part = folder / _places(folder)[NORM]
    part.unlink()
    os.mkfifo(part)
    assert "no ordinary file" in _refused(folder)
    part.unlink()
    part.symlink_to("/dev/zero")
    assert "no ordinary file" in _refused(folder)
    part.unlink()
    part.mkdir()
    assert part.name in _refused(folder)
    part.rmdir()
    assert "fetch all parts" in _refused(folder)
    part.symlink_to(part.name)
    assert part.name in _refused(folder)


def test_a_tensor_of_the_index_that_is_none_of_the_model(folder: Path) -> None:
    places = _places(folder)
    words = _refused(folder, {**places, "extra": places[NORM]})
    assert "'extra' is missing" in words
    assert INDEX_FILE in words
    long = _refused(folder, {**places, "x" * 100_000: places[NORM]})
    assert "is missing" in long


def test_a_tensor_in_no_entry_of_the_index(folder: Path) -> None:
    places: dict[str, object] = {n: p for n, p in _places(folder).items() if n != NORM}
    assert f"does not name tensor '{NORM}'" in _refused(folder, places)


def test_a_tensor_twice_in_one_part(folder: Path) -> None:
    part = folder / _places(folder)[NORM]
    content = part.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length]
    entry = json.dumps({NORM: json.loads(header)[NORM]}).encode()[1:-1]
    twice = header[:-1] + b", " + entry + b"}"
    part.write_bytes(len(twice).to_bytes(8, "little") + twice + content[8 + length :])
    words = _refused(folder)
    assert "twice" in words
    assert part.name in words


def test_tensors_that_overlap_in_one_part(folder: Path) -> None:
    part = folder / _places(folder)[NORM]
    content = part.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    norms = sorted(n for n in header if "norm" in n)
    header[norms[0]]["data_offsets"] = header[norms[1]]["data_offsets"]
    text = json.dumps(header).encode()
    part.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    words = _refused(folder)
    assert "hole or overlap" in words
    assert part.name in words


def test_a_part_that_is_cut_short(folder: Path) -> None:
    part = folder / _places(folder)[NORM]
    part.write_bytes(part.read_bytes()[:-1])
    assert part.name in _refused(folder)
