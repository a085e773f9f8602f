"""Reading and writing safetensors containers with reproducible bytes.

The public package reads no bfloat16 into NumPy and does not promise the order of what it writes, so
this module does both itself. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from esper.model.errors import MalformedFileError, UnwritableFileError
from esper.model.files.json_file import read_bytes
from esper.model.files.safetensors_header import (
    MISSING_REMEDY,
    parse_header,
    take_metadata,
)

AnyArray = npt.NDArray[Any]

_MAX_DIMENSIONS = 32
_MAX_BYTES = 2**63 - 1
_ELEMENT_TYPES: dict[str, np.dtype[Any]] = {
    "I8": np.dtype("<i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F32": np.dtype("<f4"),
}
_ELEMENT_NAMES = {
    np.dtype("i1"): "I8",
    np.dtype("i2"): "I16",
    np.dtype("i4"): "I32",
    np.dtype("f4"): "F32",
}


def read_container(path: Path) -> tuple[dict[str, str], dict[str, AnyArray]]:
    """Metadata and tensors of ``path``; bfloat16 becomes float32, everything else keeps its type.

    Memory is bounded by the size of the file, whatever its header claims.

    Raises:
        MissingFileError: the file cannot be read.
        MalformedFileError: it is not a container, or holds an element type outside I8, I16, I32,
            F16, BF16, F32.
    """
    content = read_bytes(path, MISSING_REMEDY)
    if len(content) < 8:
        raise MalformedFileError(path, "shorter than 8 bytes")
    start = 8 + int.from_bytes(content[:8], "little")
    if start > len(content):
        raise MalformedFileError(path, "the header is longer than the file")
    header = parse_header(path, content[8:start])
    metadata = take_metadata(path, header)
    spans = []
    tensors = {}
    for name, entry in header.items():
        array, span = _read_tensor(path, content, start, name, entry)
        tensors[name] = array
        spans.append(span)
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise MalformedFileError(
                path, f"tensors leave a hole or overlap at byte {position} of the data"
            )
        position = end
    if position != len(content) - start:
        raise MalformedFileError(
            path, f"{len(content) - start - position} bytes follow the last tensor"
        )
    return metadata, tensors


def _read_tensor(
    path: Path, content: bytes, start: int, name: str, entry: Any
) -> tuple[AnyArray, tuple[int, int]]:
    if not isinstance(entry, dict):
        raise MalformedFileError(path, f"tensor '{name}' has no description")
    element, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(element, str) or element not in _ELEMENT_TYPES:
        raise MalformedFileError(
            path,
            f"tensor '{name}' has element type {element!r}; known are {sorted(_ELEMENT_TYPES)}; "
            "save the weights as one of these",
        )
    if not _is_size_list(shape) or not _is_size_list(offsets) or len(offsets) != 2:
        raise MalformedFileError(path, f"tensor '{name}' has no proper 'shape' and 'data_offsets'")
    begin, end = offsets
    kind = _ELEMENT_TYPES[element]
    # Sizes beside a 0 must fit as well: other readers multiply them.
    if math.prod(max(size, 1) for size in shape) * kind.itemsize > _MAX_BYTES:
        raise MalformedFileError(path, f"tensor '{name}' has a shape beyond all memory")
    if not begin <= end <= len(content) - start or end - begin != math.prod(shape) * kind.itemsize:
        raise MalformedFileError(
            path, f"tensor '{name}': the data does not have the length its shape says"
        )
    raw = np.frombuffer(content, dtype=kind, count=math.prod(shape), offset=start + begin)
    if element == "BF16":  # the upper half of a float32
        raw = (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return raw.reshape(shape), (begin, end)


def _is_size_list(value: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= _MAX_DIMENSIONS
        and all(type(n) is int and n >= 0 for n in value)
    )


def write_container(
    path: Path, metadata: Mapping[str, str], tensors: Mapping[str, AnyArray]
) -> None:
    """Write ``tensors`` (int8, int16, int32, float32) and ``metadata``; equal input, equal bytes.

    Tensors lie in the order of falling element size, then of their names, as the format's alignment
    wants.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    position = 0
    for name in order:
        array = tensors[name]
        header[name] = {
            "dtype": _ELEMENT_NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        position += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    # A reader never meets half a file: the name appears when the content is complete.
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for name in order:
                kind = tensors[name].dtype.newbyteorder("<")
                file.write(np.ascontiguousarray(tensors[name], dtype=kind).tobytes())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UnwritableFileError(path, error) from error
