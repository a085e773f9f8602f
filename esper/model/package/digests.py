"""Digests of chunks, and the root over them that names a package.

digest = BLAKE3-256 of the chunk, key context `esper weights chunk v1`      32 bytes
root   = merkle_root(esper/package/v1, digests), the manifest's first       64 bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from blake3 import blake3

from esper.model.package.errors import DigestListError
from esper.model.package.port import DIGEST_BYTES, MAX_CHUNKS
from esper.primitives.hashing import make_tag
from esper.primitives.merkle import merkle_root

CHUNK_CONTEXT: Final = "esper weights chunk v1"
TAG_PACKAGE: Final = make_tag("esper/package/v1")


def chunk_digest(data: bytes) -> bytes:
    """32 bytes."""
    return blake3(data, derive_key_context=CHUNK_CONTEXT).digest()


def package_root(digests: Sequence[bytes]) -> bytes:
    """64 bytes: the package's name."""
    return merkle_root(TAG_PACKAGE, digests)


def checked_digests(root: bytes, digests: bytes) -> tuple[bytes, ...]:
    """The digests of a list as it came. Raises DigestListError unless the list is the root's."""
    count, rest = divmod(len(digests), DIGEST_BYTES)
    if rest or not 2 <= count <= MAX_CHUNKS:
        reason = f"{len(digests)} bytes, must be {DIGEST_BYTES} for each of 2 to {MAX_CHUNKS}"
        raise DigestListError(reason)
    found = tuple(digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES))
    if package_root(found) != root:
        raise DigestListError("their root is another package's")
    return found
