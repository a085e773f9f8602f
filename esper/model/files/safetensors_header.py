"""The header of a safetensors container: what it says of itself, and its metadata, without NumPy.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from esper.model.errors import MalformedFileError, MissingFileError
from esper.model.files.json_file import parse_json

MAX_HEADER: Final = 100_000_000
"""Longest header, bytes: the public package's limit."""
MISSING_REMEDY: Final = "check that the model directory is complete"


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of ``path``, its tensors left unread; errors as in ``read_container``."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            content = file.read(min(length, size, MAX_HEADER + 1))
    except OSError as error:
        raise MissingFileError(path, MISSING_REMEDY, error.strerror or "") from error
    if size < 8 + length:
        raise MalformedFileError(path, "the header is longer than the file")
    return take_metadata(path, parse_header(path, content))


def parse_header(path: Path, text: bytes) -> dict[str, Any]:
    """The descriptions of tensors and the metadata. Raises MalformedFileError."""
    if len(text) > MAX_HEADER:
        raise MalformedFileError(path, f"the header is longer than {MAX_HEADER} bytes")
    if not text.startswith(b"{"):
        raise MalformedFileError(path, "the header does not begin with '{'")
    try:
        header = parse_json(text)
    except ValueError as error:
        raise MalformedFileError(path, f"the header is wrong: {error}") from error
    if not isinstance(header, dict):
        raise MalformedFileError(path, "the header is not a JSON object")
    return header


def take_metadata(path: Path, header: dict[str, Any]) -> dict[str, str]:
    """The metadata, out of the header. Raises MalformedFileError."""
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise MalformedFileError(path, "'__metadata__' is not a map of strings")
    return metadata
