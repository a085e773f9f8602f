"""A node's own key, and its file.

The id is what libp2p makes of an Ed25519 key: 38 bytes that hold the public key itself, so that
whoever knows an id knows the key. The network page, sections 2 and 9.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from esper.p2p.peers.peer_address import ID_PREFIX

SEED_BYTES: Final = 32
ID_BYTES: Final = 38
KEY_FILE: Final = "node.key"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_RIGHTS: Final = "Give the user of this node the right to read and write it"


class NodeKeyError(Exception):
    """The file with the node's key cannot be used; the message names it and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is in the network."""

    seed: bytes
    """32 bytes of Ed25519, secret."""
    node_id: bytes
    """38 bytes, public."""

    @classmethod
    def from_seed(cls, seed: bytes) -> "Identity":
        """Return the identity of 32 secret bytes."""
        key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
        return cls(seed, ID_PREFIX + key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def __repr__(self) -> str:
        """Show the id alone: what is logged must not hold the seed."""
        return f"Identity({self.node_id.hex()})"


def is_node_id(data: bytes) -> bool:
    """Whether these are the bytes of an Ed25519 id, the only kind that the network has."""
    return len(data) == ID_BYTES and data.startswith(ID_PREFIX)


def known_id(folder: Path) -> bytes | None:
    """The id of the key in ``folder``; None if there is none yet.

    Raises NodeKeyError as ``load_identity`` does.
    """
    with _told(folder / KEY_FILE):
        seed = _read(folder / KEY_FILE)
    return None if seed is None else Identity.from_seed(seed).node_id


def load_identity(folder: Path, random_bytes: Callable[[int], bytes]) -> Identity:
    """Read ``node.key`` in ``folder``, or make it of ``random_bytes(32)`` if there is none.

    Raises NodeKeyError if it is damaged, or others may read it, or it cannot be read or written.
    """
    path = folder / KEY_FILE
    with _told(path):
        seed = _read(path)
        if seed is None:
            seed = random_bytes(SEED_BYTES)
            _write(path, seed)
    return Identity.from_seed(seed)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system refuses, as NodeKeyError."""
    try:
        yield
    except OSError as error:
        remedy = "Free some space" if error.errno in _FULL else _RIGHTS
        raise NodeKeyError(
            f"{path}, the key of this node in the network: {error.strerror or error}. {remedy}"
        ) from error


def _read(path: Path) -> bytes | None:
    try:
        # Not waiting: a pipe in its place would hold the start for ever.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb", buffering=0) as stream:
        status = os.fstat(stream.fileno())
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise NodeKeyError(f"{path} is no file. Remove it: the node makes a new key")
        if mode & 0o077:
            raise NodeKeyError(
                f"{path}, the key of this node in the network, may be used by others "
                f"(permissions {mode:04o}). Run: chmod 600 {path}"
            )
        seed = stream.read(SEED_BYTES + 1) or b""
    if len(seed) != SEED_BYTES:
        raise NodeKeyError(
            f"{path}, the key of this node in the network, is damaged: it must hold "
            f"{SEED_BYTES} bytes. Restore it, or remove it: the node makes a new one, and others "
            "know it under a new id"
        )
    return seed


def _write(path: Path, seed: bytes) -> None:
    """Write the whole file or none: a crash must not leave a damaged key."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as stream:
            stream.write(seed)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    beside.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
