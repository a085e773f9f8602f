"""How the state tree lies on disk: several levels of it in one record.

    key     = "n" || depth as u16 || the first `depth` bits of the paths below, padded with zeros
    record  = node                      (depth 0: count of all records as u64 || node)
    node    = 0                                                     nothing
            | 1 || path, 32 || leaf hash, 32 || u32 length || value  a leaf
            | 2 || hash, 32 || left node || right node               a branch inside the record
            | 3 || hash, 32                                          a branch with its own record

    key     = "f" || path                       the value alone, for reading without a walk
    record  = value

A branch has its own record exactly if its depth is a multiple of the levels a record has. Hashes of
branches are stored although they follow from what is below: a change then hashes its own branch
only, and a record that is older than its parent shows.
"""

from dataclasses import dataclass
from typing import Final

from esper.primitives.hashing import HASH32_BYTES, u16
from esper.storage.errors import REINDEX, StorageError

PREFIX: Final = b"n"
EMPTY_NODE: Final = 0
LEAF_NODE: Final = 1
BRANCH_NODE: Final = 2
STUB_NODE: Final = 3

LENGTH_BYTES: Final = 4
FLAT_PREFIX: Final = b"f"
MAX_NESTING: Final = 256
"""A path has as many bits: no branch lies deeper, however many levels a record has."""


def flat_key(path: bytes) -> bytes:
    """Where the value at a 32-byte path stands by itself."""
    return FLAT_PREFIX + path


@dataclass(frozen=True, slots=True)
class Leaf:
    """One state record."""

    path: bytes
    """32 bytes."""
    hash: bytes
    """32 bytes: the leaf's hash in the tree."""
    value: bytes
    """Its encoded value."""


@dataclass(frozen=True, slots=True)
class Stub:
    """A branch that has a record of its own."""

    hash: bytes
    """32 bytes."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Two halves, at least two leaves below."""

    hash: bytes
    """32 bytes."""
    left: "Node"
    """What begins with a 0 here."""
    right: "Node"
    """What begins with a 1 here."""


Node = Leaf | Branch | Stub | None


class StateRecordError(StorageError):
    """A record of the state tree that is missing, damaged or of another time, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the state in the index is damaged: {reason}; {REINDEX}")


def record_key(depth: int, path: bytes) -> bytes:
    """The key of the record at ``depth`` on the way to ``path``."""
    whole, bits = divmod(depth, 8)
    prefix = path[:whole]
    if bits:
        prefix += bytes([path[whole] & (0xFF << (8 - bits)) & 0xFF])
    return PREFIX + u16(depth) + prefix


def decode_node(data: bytes) -> Node:
    """The node that ``data`` holds. Raises StateRecordError for anything else."""
    node, end = _read(data, 0, MAX_NESTING)
    if end != len(data):
        raise StateRecordError(f"{len(data) - end} bytes left over")
    return node


def _read(data: bytes, at: int, nesting: int) -> tuple[Node, int]:
    kind = data[at] if at < len(data) else None
    end = at + 1 + HASH32_BYTES
    if kind == EMPTY_NODE:
        return None, at + 1
    if kind == STUB_NODE and end <= len(data):
        return Stub(data[at + 1 : end]), end
    if kind == BRANCH_NODE and end <= len(data) and nesting:
        left, middle = _read(data, end, nesting - 1)
        right, last = _read(data, middle, nesting - 1)
        return Branch(data[at + 1 : end], left, right), last
    if kind == LEAF_NODE:
        value = end + HASH32_BYTES + LENGTH_BYTES
        last = value + int.from_bytes(data[value - LENGTH_BYTES : value], "big")
        if last <= len(data):
            return Leaf(data[at + 1 : end], data[end : end + HASH32_BYTES], data[value:last]), last
    raise StateRecordError(f"no node begins at byte {at} of {len(data)}")
