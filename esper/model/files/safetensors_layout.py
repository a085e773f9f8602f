"""Where each tensor lies in a safetensors container, checked against the file, without NumPy.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from esper.model.errors import MalformedFileError
from esper.model.files.json_file import open_ordinary
from esper.model.files.safetensors_header import (
    MAX_HEADER,
    MISSING_REMEDY,
    parse_header,
    take_metadata,
)

ELEMENT_BYTES: Final[Mapping[str, int]] = {
    "I8": 1,
    "I16": 2,
    "I32": 4,
    "F16": 2,
    "BF16": 2,
    "F32": 4,
}
"""Element types that are read, and their sizes."""
_SHOWN: Final = 120
"""Characters of a name in a sentence: a header may hold a hundred megabytes of them."""
_MAX_DIMENSIONS: Final = 32
_MAX_BYTES: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """One tensor within a file."""

    element: str
    """A name of :data:`ELEMENT_BYTES`."""
    shape: tuple[int, ...]
    """Sizes, the slowest first."""
    offset: int
    """First byte, from the begin of the file."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the header of a container says; all of it holds of the file."""

    file_size: int
    """Bytes of the file."""
    metadata: Mapping[str, str]
    """The publisher's own entries."""
    places: Mapping[str, TensorPlace]
    """The tensors by name; together they fill the file."""


def read_layout(path: Path) -> Layout:
    """Read the header of ``path`` and check it against the length of the file.

    Raises:
        MissingFileError: the file cannot be read.
        MalformedFileError: it is not a container, its tensors leave a hole, overlap or pass its
            end, or one has a name or an element type that is not read.
    """
    with open_ordinary(path, MISSING_REMEDY) as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise MalformedFileError(path, "shorter than 8 bytes")
        length = int.from_bytes(file.read(8), "little")
        if 8 + length > size:
            raise MalformedFileError(path, "the header is longer than the file")
        text = file.read(min(length, MAX_HEADER + 1))
    header = parse_header(path, text)
    metadata = take_metadata(path, header)
    start = 8 + length
    places = {name: _place(path, size, start, name, entry) for name, entry in header.items()}
    position = start
    for place in sorted(places.values(), key=lambda place: (place.offset, place.size)):
        if place.offset != position:
            raise MalformedFileError(
                path, f"tensors leave a hole or overlap at byte {position - start} of the data"
            )
        position += place.size
    if position != size:
        raise MalformedFileError(path, f"{size - position} bytes follow the last tensor")
    return Layout(size, metadata, places)


def _place(path: Path, size: int, start: int, name: str, entry: Any) -> TensorPlace:
    tensor = f"tensor {name[:_SHOWN]!r}"
    if not isinstance(entry, dict):
        raise MalformedFileError(path, f"{tensor} has no description")
    element, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(element, str) or element not in ELEMENT_BYTES:
        raise MalformedFileError(
            path,
            f"{tensor} has element type {str(element)[:40]!r}; known are "
            f"{sorted(ELEMENT_BYTES)}; save the weights as one of these",
        )
    if not _is_size_list(shape) or not _is_size_list(offsets) or len(offsets) != 2:
        raise MalformedFileError(path, f"{tensor} has no proper 'shape' and 'data_offsets'")
    begin, end = offsets
    width = ELEMENT_BYTES[element]
    # Sizes beside a 0 must fit as well: other readers multiply them.
    if math.prod(max(count, 1) for count in shape) * width > _MAX_BYTES:
        raise MalformedFileError(path, f"{tensor} has a shape beyond all memory")
    if not begin <= end <= size - start or end - begin != math.prod(shape) * width:
        raise MalformedFileError(
            path, f"{tensor}: the data does not have the length its shape says"
        )
    return TensorPlace(element, tuple(shape), start + begin, end - begin)


def _is_size_list(value: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= _MAX_DIMENSIONS
        and all(type(n) is int and n >= 0 for n in value)
    )
