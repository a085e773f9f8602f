"""Reading and writing safetensors containers with reproducible bytes.

The public package reads no bfloat16 into NumPy and does not promise the order of what it writes, so
this module does both itself. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from esper.model.errors import MalformedFileError, MissingFileError, UnwritableFileError
from esper.model.files.json_file import parse_json, read_bytes

AnyArray = npt.NDArray[Any]

_MAX_HEADER = 100_000_000
"""Longest header, bytes: the public package's limit."""
_MAX_DIMENSIONS = 32
_MAX_BYTES = 2**63 - 1
_MISSING_REMEDY = "check that the model directory is complete"
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
    content = read_bytes(path, _MISSING_REMEDY)
    if len(content) < 8:
        raise MalformedFileError(path, "shorter than 8 bytes")
    start = 8 + int.from_bytes(content[:8], "little")
    if start > len(content):
        raise MalformedFileError(path, "the header is longer than the file")
    header = _parse_header(path, content[8:start])
    metadata = _take_metadata(path, header)
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


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of ``path``, its tensors left unread; errors as in :func:`read_container`."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            content = file.read(min(length, size, _MAX_HEADER + 1))
    except OSError as error:
        raise MissingFileError(path, _MISSING_REMEDY, error.strerror or "") from error
    if size < 8 + length:
        raise MalformedFileError(path, "the header is longer than the file")
    return _take_metadata(path, _parse_header(path, content))


def _parse_header(path: Path, text: bytes) -> dict[str, Any]:
    if len(text) > _MAX_HEADER:
        raise MalformedFileError(path, f"the header is longer than {_MAX_HEADER} bytes")
    if not text.startswith(b"{"):
        raise MalformedFileError(path, "the header does not begin with '{'")
    try:
        header = parse_json(text)
    except ValueError as error:
        raise MalformedFileError(path, f"the header is wrong: {error}") from error
    if not isinstance(header, dict):
        raise MalformedFileError(path, "the header is not a JSON object")
    return header


def _take_metadata(path: Path, header: dict[str, Any]) -> dict[str, str]:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise MalformedFileError(path, "'__metadata__' is not a map of strings")
    return metadata


def _read_tensor(
    path: Path, content: bytes, start: int, name: str, entry: Any
) -> tuple[AnyArray, tuple[int, int]]:
    if not isinstance(entry, dict):
        raise MalformedFileError(path, f"tensor '{name}' has no description")
    element, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(element, str) or element not in _ELEMENT_TYPES:
        raise MalformedFileError(
            path,
            f"tensor '{name}' has element type {element!r}; known are {sorted(_ELEMENT_TYPES)}",
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
