from __future__ import annotations

import json
from pathlib import Path

import pytest

from esper.model.checkpoint import load_checkpoint
from esper.model.errors import MalformedFileError, MissingFileError, ModelError
from esper.model.importing.weight_files import INDEX_FILE, weight_files
from esper.model.safetensors_file import AnyArray, write_container
from tests.spec.random_checkpoint import config_fields, named_tensors, random_checkpoint

CHECKPOINT = random_checkpoint(5)
TENSORS = named_tensors(CHECKPOINT)
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
NORM = "model.norm.weight"


def _write(folder: Path, parts: dict[str, dict[str, AnyArray]], places: dict[str, str]) -> Path:
    (folder / "config.json").write_text(json.dumps(config_fields(CHECKPOINT)))
    for name, tensors in parts.items():
        write_container(folder / name, {"format": "pt"}, tensors)
    (folder / INDEX_FILE).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def _parts() -> tuple[dict[str, dict[str, AnyArray]], dict[str, str]]:
    names = sorted(TENSORS)
    places = {name: FIRST if at < len(names) // 2 else SECOND for at, name in enumerate(names)}
    parts: dict[str, dict[str, AnyArray]] = {FIRST: {}, SECOND: {}}
    for name, place in places.items():
        parts[place][name] = TENSORS[name]
    return parts, places


def test_parts_are_the_same_checkpoint(tmp_path: Path) -> None:
    parts, places = _parts()
    _write(tmp_path, parts, places)
    assert load_checkpoint(tmp_path).fingerprint() == CHECKPOINT.fingerprint()
    assert weight_files(tmp_path) == [tmp_path / FIRST, tmp_path / SECOND]


def test_one_file_goes_before_an_index(tmp_path: Path) -> None:
    _write(tmp_path, {}, {NORM: "nowhere.safetensors"})
    write_container(tmp_path / "model.safetensors", {}, TENSORS)
    assert load_checkpoint(tmp_path).fingerprint() == CHECKPOINT.fingerprint()


def _refusal(folder: Path) -> ModelError:
    with pytest.raises((MalformedFileError, MissingFileError)) as refusal:
        load_checkpoint(folder)
    assert "\n" not in str(refusal.value)
    return refusal.value


def test_a_folder_without_weights_says_what_would_do(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config_fields(CHECKPOINT)))
    assert "or a GGUF file" in str(_refusal(tmp_path))


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    parts, places = _parts()
    del parts[SECOND]
    words = str(_refusal(_write(tmp_path, parts, places)))
    assert SECOND in words
    assert "fetch all parts" in words


def test_a_tensor_in_no_part(tmp_path: Path) -> None:
    parts, places = _parts()
    del parts[places[NORM]][NORM]
    words = str(_refusal(_write(tmp_path, parts, places)))
    assert NORM in words
    assert places[NORM] in words


def test_a_tensor_that_the_index_does_not_name(tmp_path: Path) -> None:
    parts, places = _parts()
    del places[NORM]
    words = str(_refusal(_write(tmp_path, parts, places)))
    assert f"does not name tensor '{NORM}'" in words
    assert INDEX_FILE in words


def test_a_tensor_in_two_parts(tmp_path: Path) -> None:
    parts, places = _parts()
    other = FIRST if places[NORM] == SECOND else SECOND
    parts[other][NORM] = TENSORS[NORM]
    words = str(_refusal(_write(tmp_path, parts, places)))
    assert f"'{NORM}' is here" in words
    assert other in words


def test_a_part_named_twice(tmp_path: Path) -> None:
    parts, places = _parts()
    _write(tmp_path, parts, places)
    text = (tmp_path / INDEX_FILE).read_text()
    (tmp_path / INDEX_FILE).write_text(text.replace("{", f'{{"{NORM}": "{FIRST}", ', 2))
    assert "twice" in str(_refusal(tmp_path))


@pytest.mark.parametrize("file", [f"./{FIRST}", f"parts/{FIRST}", "..", 7, "model.bin", ""])
def test_a_part_goes_by_its_plain_name(tmp_path: Path, file: object) -> None:
    parts, places = _parts()
    _write(tmp_path, parts, {**places, NORM: file})  # type: ignore[dict-item]
    words = str(_refusal(tmp_path))
    assert "weight_map" in words
    assert NORM in words


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {}}', "[]", "{"])
def test_an_index_that_is_none(tmp_path: Path, content: str) -> None:
    _write(tmp_path, {}, {})
    (tmp_path / INDEX_FILE).write_text(content)
    assert INDEX_FILE in str(_refusal(tmp_path))
