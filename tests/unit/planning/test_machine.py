"""A machine's file: what is read, and what is refused in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esper.model.errors import MalformedFileError, MissingFileError
from esper.planning.machine import Machine, MachineFileError, machine_of, read_machine
from esper.planning.sample_machine import REFERENCE, sample_text

FIELDS = json.loads(sample_text())


def test_the_sample_is_the_machine_of_reference(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    file.write_text(sample_text())
    assert read_machine(file) == REFERENCE


def test_a_graphics_card_may_be_added() -> None:
    assert machine_of(FIELDS).gpu_tokens_per_s is None
    assert machine_of(FIELDS | {"gpu_tokens_per_s": 50}).gpu_tokens_per_s == 50


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_missing_field_is_named(field: str) -> None:
    fields = {name: value for name, value in FIELDS.items() if name != field}
    with pytest.raises(MachineFileError, match=f"lacks {field};"):
        machine_of(fields)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(MachineFileError, match=r"no 'core'; `esper plan --sample-machine`"):
        machine_of(FIELDS | {"core": 2})
    with pytest.raises(MachineFileError) as told:
        machine_of(FIELDS | {"x" * 10_000: 2})
    assert len(str(told.value)) < 300


NUMBERS = [name for name in (*FIELDS, "gpu_tokens_per_s") if name != "name"]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    "value", [-1, 10**30, 1e300, float("nan"), float("inf"), "2", True, None, [2], "9" * 10_000]
)
def test_absurd_numbers_are_refused_in_a_sentence(field: str, value: Any) -> None:
    with pytest.raises(MachineFileError, match=rf"^{field} is .*: give a number from ") as told:
        machine_of(FIELDS | {field: value})
    assert len(str(told.value)) < 300


@pytest.mark.parametrize("field", ["cores", "memory_gib", "speed", "line_mbit_per_s"])
def test_nothing_is_too_little(field: str) -> None:
    with pytest.raises(MachineFileError, match=f"^{field} is 0"):
        machine_of(FIELDS | {field: 0})


def test_cores_are_whole() -> None:
    with pytest.raises(MachineFileError, match=r"cores is 2.5: give a whole number"):
        machine_of(FIELDS | {"cores": 2.5})


@pytest.mark.parametrize("name", [3, "a\x1b[2J", "x" * 81, None])
def test_a_name_is_a_short_text(name: Any) -> None:
    with pytest.raises(MachineFileError, match=r"^name is ") as told:
        machine_of(FIELDS | {"name": name})
    assert str(told.value).isprintable()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="sample-machine"):
        read_machine(tmp_path / "nowhere.json")
    file = tmp_path / "machine.json"
    for text in ("", "[]", "{", '{"cores": 1, "cores": 2}', "[" * 10_000):
        file.write_text(text)
        with pytest.raises(MalformedFileError):
            read_machine(file)


def test_a_machine_has_what_the_file_has() -> None:
    assert machine_of(FIELDS) == Machine(**FIELDS)
