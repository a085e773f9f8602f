"""A folder becomes a package: its manifest, the digests of its chunks, and their root."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from esper.model.errors import MissingFileError, unread
from esper.model.package.digests import chunk_digest, package_root
from esper.model.package.errors import FileChangedError
from esper.model.package.manifest import BANK_FILE, OPTIONAL, REQUIRED, Manifest, PackagedFile
from esper.model.package.port import CHUNK_BYTES

Progress = Callable[[str, int, int], None]
"""Told a step in words, how much of it is done and how much there is."""


@dataclass(frozen=True, slots=True)
class Package:
    """What names a package and everything in it."""

    manifest: Manifest
    """Its files."""
    digests: tuple[bytes, ...]
    """32 bytes a chunk, the manifest's first."""
    root: bytes
    """64 bytes: its name."""


def pack(folder: Path, more: tuple[str, ...] = (), progress: Progress | None = None) -> Package:
    """The package of the files in ``folder``, which stay as they are.

    Args:
        folder: has all of REQUIRED; what it has of OPTIONAL is taken along, anything else is not.
        more: names of further files to take.
        progress: hears how many chunks are read.

    Raises MissingFileError, and ManifestError for what no package may have.
    """
    names = [*REQUIRED, *more, *(name for name in OPTIONAL if (folder / name).exists())]
    found = [_sized(folder, name) for name in sorted(set(names))]
    manifest = Manifest(tuple(found))
    digests = [chunk_digest(manifest.to_bytes())]
    for one in manifest.files:
        for chunk in chunks_of(folder, one):
            digests.append(chunk_digest(chunk))
            if progress is not None:
                progress("reading the files", len(digests), manifest.chunks)
    return Package(manifest, tuple(digests), package_root(digests))


def chunks_of(folder: Path, file: PackagedFile) -> Iterator[bytes]:
    """The chunks of one file. Raises MissingFileError, FileChangedError if it has another size."""
    with _opened(folder / file.text) as stream:
        left = file.size
        while left:
            chunk = stream.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise FileChangedError(file.text, "shorter")
            left -= len(chunk)
            yield chunk
        if stream.read(1):
            raise FileChangedError(file.text, "longer")


def _sized(folder: Path, name: str) -> PackagedFile:
    with _opened(folder / name) as stream:
        return PackagedFile(os.fsencode(name), os.fstat(stream.fileno()).st_size)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    remedy = f"a package has {', '.join(REQUIRED)}; put it there"
    if path.name == BANK_FILE:
        remedy += ", or make it with `esper model pack DIR --bank genesis`"
    try:
        # A pipe would wait for whoever writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unread(path, remedy, error) from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise MissingFileError(path, remedy, "it is no ordinary file")
        yield stream
