"""A package in a store, looked at by somebody who does not hold the store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esper.model.package.errors import UnknownModelError
from esper.model.package.held_chunks import FILES, MANIFEST
from esper.model.package.manifest import decode_manifest
from esper.model.package.own_files import small_file
from esper.model.package.port import CHUNK_BYTES
from esper.model.package.staging import DIGESTS, PART
from esper.primitives.hashing import HASH_BYTES

ROOT_NAME: Final = re.compile(rf"[0-9a-f]{{{2 * HASH_BYTES}}}")
"""A package's root as the name of its folder."""


@dataclass(frozen=True, slots=True)
class KeptFolder:
    """A package as it lies in somebody's store."""

    root: bytes
    """64 bytes: what its folder is named."""
    files: Path
    """The folder of its files."""
    names: tuple[str, ...]
    """Their names, by its manifest."""


def kept_folder(folder: Path) -> KeptFolder | None:
    """Look at the folder of a package in a store, whoever holds the store; None for any other.

    Nothing is checked but the manifest. Raises ManifestError, UnknownModelError for a package on
    its way, and OSError.
    """
    name = folder.resolve().name
    if not (folder / DIGESTS).is_file() or not ROOT_NAME.fullmatch(name.removesuffix(PART)):
        return None
    if name.endswith(PART):
        raise UnknownModelError(name[:16] + "…", "it is on its way; wait until it is whole")
    manifest = decode_manifest(small_file(folder / MANIFEST, CHUNK_BYTES) or b"")
    names = tuple(file.text for file in manifest.files)
    return KeptFolder(bytes.fromhex(name), folder / FILES, names)
