"""Reading and writing safetensors containers with reproducible bytes.

The public package reads no bfloat16 into NumPy and does not promise the order of what it writes, so
this module does both itself. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from esper.model.errors import MalformedFileError, UnwritableFileError
from esper.model.files.json_file import open_ordinary
from esper.model.files.safetensors_header import MISSING_REMEDY
from esper.model.files.safetensors_layout import read_layout

AnyArray = npt.NDArray[Any]

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


class TensorFile(Mapping[str, AnyArray]):
    """The tensors of a container by name, each read from the file when it is asked for.

    bfloat16 becomes float32, everything else keeps its type. Memory is bounded by the size of the
    file, whatever its header claims, and taken for one tensor at a time.
    """

    def __init__(self, path: Path) -> None:
        """Read the header alone; errors as of ``read_layout``."""
        self.path = path
        """The file."""
        self._layout = read_layout(path)

    @property
    def metadata(self) -> Mapping[str, str]:
        """The publisher's own entries."""
        return self._layout.metadata

    def __getitem__(self, name: str) -> AnyArray:
        """Read a tensor.

        Raises:
            KeyError: there is none of this name.
            MissingFileError, MalformedFileError: the file is gone, or another, since its header was
                read.
        """
        place = self._layout.places[name]
        raw = np.empty(place.shape, dtype=_ELEMENT_TYPES[place.element])
        with open_ordinary(self.path, MISSING_REMEDY) as file:
            changed = os.fstat(file.fileno()).st_size != self._layout.file_size
            file.seek(place.offset)
            if changed or file.readinto(raw.reshape(-1).view(np.uint8).data) != place.size:
                raise MalformedFileError(
                    self.path, "it changed while it was read; import it again when it is complete"
                )
        if place.element != "BF16":
            return raw
        wide = raw.astype(np.uint32)  # the upper half of a float32
        wide <<= np.uint32(16)
        return wide.view(np.float32)

    def __contains__(self, name: object) -> bool:
        return name in self._layout.places

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout.places)

    def __len__(self) -> int:
        return len(self._layout.places)


def read_container(path: Path) -> tuple[dict[str, str], dict[str, AnyArray]]:
    """Metadata and all tensors of ``path``, as :class:`TensorFile` reads them.

    Raises:
        MissingFileError: the file cannot be read.
        MalformedFileError: it is not a container, or holds an element type outside I8, I16, I32,
            F16, BF16, F32.
    """
    file = TensorFile(path)
    return dict(file.metadata), dict(file)


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
                file.write(np.ascontiguousarray(tensors[name], dtype=kind).data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UnwritableFileError(path, error) from error
