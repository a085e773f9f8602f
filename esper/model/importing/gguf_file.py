"""A GGUF file: its fields by name and type, and its tensors, dequantised.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The package ``gguf`` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from esper.model.checkpoint import Floats
from esper.model.errors import (
    MalformedFileError,
    MissingFileError,
    MissingPackageError,
    UnsupportedFieldError,
)

OUTPUT: Final = "output.weight"
"""The output matrix; where there is none, the embedding is it."""
_MAGIC: Final = b"GGUF"
_Kind = TypeVar("_Kind", str, int, float, bool)


class GgufFile:
    """Fields and tensors of one file. Made by :func:`open_gguf`."""

    def __init__(self, path: Path, fields: Mapping[str, Any], tensors: list[Any]) -> None:
        self.path = path
        """Where it was read."""
        self._fields = fields
        self._tensors = tensors

    @property
    def tensor_names(self) -> frozenset[str]:
        """Names of the tensors."""
        return frozenset(tensor.name for tensor in self._tensors)

    def names(self, prefix: str) -> list[str]:
        """Names of the fields that begin so."""
        return [name for name in self._fields if name.startswith(prefix)]

    def value(self, name: str) -> Any:
        """A field's value whatever it is; None if there is none."""
        return self._fields.get(name)

    def text(self, name: str) -> str:
        """A field that must hold a text. Raises MalformedFileError."""
        return self._one(name, str, "a text")

    def whole(self, name: str) -> int:
        """A field that must hold an integer. Raises MalformedFileError."""
        return self._one(name, int, "an integer")

    def number(self, name: str) -> float:
        """A field that must hold a number: its shortest decimal form, as configurations have it.

        Raises MalformedFileError.
        """
        value = self._one(name, float, "a number")
        return float(str(np.float32(value)))

    def texts(self, name: str) -> list[str]:
        """A field that must hold a list of texts. Raises MalformedFileError."""
        return self._many(name, str, "texts")

    def wholes(self, name: str) -> list[int]:
        """A field that must hold a list of integers. Raises MalformedFileError."""
        return self._many(name, int, "integers")

    def numbers(self, name: str) -> list[float]:
        """A field that must hold a list of numbers. Raises MalformedFileError."""
        return self._many(name, float, "numbers")

    def _one(self, name: str, kind: type[_Kind], words: str) -> _Kind:
        value = self._fields.get(name)
        if type(value) is not kind:
            found = "missing" if value is None else f"of type {type(value).__name__}"
            raise MalformedFileError(self.path, f"field '{name}' is {found}, expected {words}")
        return value

    def _many(self, name: str, kind: type[_Kind], words: str) -> list[_Kind]:
        value = self._fields.get(name)
        if not isinstance(value, list) or not all(type(one) is kind for one in value):
            found = "missing" if value is None else "something else"
            raise MalformedFileError(
                self.path, f"field '{name}' is {found}, expected a list of {words}"
            )
        return value

    def tensors(self) -> Iterator[tuple[str, Floats]]:
        """Name and values of every tensor, dimensions as in Hugging Face's form.

        Raises:
            UnsupportedFieldError: an element type that the package does not dequantise.
            MalformedFileError: values that are not finite.
        """
        from gguf import dequantize

        for tensor in self._tensors:
            where = f"tensor '{tensor.name}'"
            try:
                plain = dequantize(tensor.data, tensor.tensor_type)
                values = plain.astype(np.float32).reshape([int(n) for n in tensor.shape[::-1]])
            except (NotImplementedError, ValueError) as error:
                raise UnsupportedFieldError(
                    self.path,
                    f"element type of {where}",
                    tensor.tensor_type.name,
                    "what the package gguf dequantises",
                    "take the same model in F16 or Q8_0",
                ) from error
            if not np.isfinite(values).all():
                raise MalformedFileError(
                    self.path, f"{where} holds NaN or infinity; take a sound file of the model"
                )
            yield tensor.name, values


def is_gguf(path: Path) -> bool:
    """Whether a path is a file that claims to be GGUF, by its name or its first bytes.

    A name alone counts where there is nothing: what is missed is the file, not a folder.
    """
    if not path.is_file():
        return path.suffix.lower() == ".gguf" and not path.is_dir()
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC or path.suffix.lower() == ".gguf"


def open_gguf(path: Path) -> GgufFile:
    """Read the fields of a file, and where its tensors are.

    Raises:
        MissingFileError: it cannot be read.
        MalformedFileError: it is no GGUF file, or not all of one.
        MissingPackageError: the package ``gguf`` is not installed.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise MissingFileError(path, "give a GGUF file", error.strerror or "") from error
    if magic != _MAGIC:
        raise MalformedFileError(path, f"begins with {magic!r}, a GGUF file with {_MAGIC!r}")
    try:
        from esper.model.importing.bounded_gguf import BoundedReader
    except ImportError as error:
        raise MissingPackageError("gguf", "reads GGUF files") from error
    try:
        reader = BoundedReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
    except Exception as error:  # whatever a cut or false length makes of the package's reading
        reason = f"it is cut short or damaged ({_said(error)}); fetch it again"
        raise MalformedFileError(path, reason) from error
    return GgufFile(path, fields, list(reader.tensors))


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())[:120]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
