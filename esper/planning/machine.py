"""A machine as a plan sees it: a small JSON file, measured by ``bench/plan_check.py`` or written.

    {"name": "two cores", "cores": 2, "memory_gib": 23, "speed": 1, "clearing_s_per_gib": 1.8,
     "memory_gb_per_s": 17, "line_mbit_per_s": 100, "price_per_hour": 0.1}

``gpu_tokens_per_s`` may be added: answer tokens a second of the planned model on the machine's GPU,
which then answers in place of the processors. Nothing else is done by a GPU: proofs are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from esper.model.files.json_file import read_object

GIB: Final = 1 << 30
_REMEDY: Final = "`esper plan --sample-machine` prints a file that has all of it"
_NAME_LENGTH: Final = 80


class MachineFileError(ValueError):
    """A machine's file says something that no machine has; the message names the field."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a proof runs on."""

    name: str
    """As it is shown."""
    cores: int
    """Processors as the operating system counts them."""
    memory_gib: float
    """That a proof may take."""
    speed: float
    """Of one processor, over that of the machine on which the constants were measured."""
    clearing_s_per_gib: float
    """Seconds of a processor until 2^30 bytes are touched for the first time."""
    memory_gb_per_s: float
    """10^9 bytes a second that all processors together read."""
    line_mbit_per_s: float
    """10^6 bits a second up."""
    price_per_hour: float
    """In any currency."""
    gpu_tokens_per_s: float | None = None
    """Answer tokens of the planned model a second; None to answer with the processors."""


@dataclass(frozen=True, slots=True)
class _Range:
    least: float
    most: float


_RANGES: Final[Mapping[str, _Range]] = {
    "cores": _Range(1, 4096),
    "memory_gib": _Range(0.01, 1 << 20),
    "speed": _Range(0.001, 1000),
    "clearing_s_per_gib": _Range(0, 1000),
    "memory_gb_per_s": _Range(0.01, 1e6),
    "line_mbit_per_s": _Range(0.001, 1e6),
    "price_per_hour": _Range(0, 1e9),
    "gpu_tokens_per_s": _Range(1e-6, 1e9),
}
_OPTIONAL: Final = {"gpu_tokens_per_s"}


def read_machine(path: Path) -> Machine:
    """The machine of a file.

    Raises:
        MissingFileError, MalformedFileError: the file is absent or not a JSON object.
        MachineFileError: a field is missing, unknown or out of its range.
    """
    return machine_of(read_object(path, _REMEDY))


def machine_of(fields: Mapping[str, Any]) -> Machine:
    """The machine that fields already parsed describe. Raises MachineFileError."""
    known = {"name", *_RANGES}
    for field in fields:
        if field not in known:
            raise MachineFileError(f"a machine has no {field[:_NAME_LENGTH]!r}; {_REMEDY}")
    missing = sorted(known - _OPTIONAL - set(fields))
    if missing:
        raise MachineFileError(f"the machine lacks {', '.join(missing)}; {_REMEDY}")
    numbers = {name: _number(name, fields[name]) for name in _RANGES if name in fields}
    cores = numbers.pop("cores")
    if cores != int(cores):
        raise MachineFileError(f"cores is {cores}: give a whole number")
    return Machine(name=_name(fields["name"]), cores=int(cores), **numbers)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _NAME_LENGTH:
        shown = repr(value)[:_NAME_LENGTH]
        raise MachineFileError(f"name is {shown}: give a text of up to {_NAME_LENGTH} characters")
    return value


def _number(name: str, value: Any) -> float:
    allowed = _RANGES[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # What is no number is not between two.
    if not is_number or not allowed.least <= value <= allowed.most:
        shown = repr(value)[:_NAME_LENGTH]
        raise MachineFileError(
            f"{name} is {shown}: give a number from {allowed.least:g} to {allowed.most:g}"
        )
    return float(value)
