"""A verifiable random function from hashes alone: the iVRF form of an XMSS tree.

A key is a tree of 2^depth leaves, one for each height from ``start`` on:

    x_i    = PRF(secret, start, i)                                    32 bytes, revealed once
    leaf_i = F2(key, i, F1(key, i, x_i))
    node   = H32(esper/vrf/node/v1, left || right)
    root   = H(esper/vrf/key/v1, start || depth || payee || top)      the header's vrf_root
    output = XOF(esper/vrf/output/v1, root || i || parent work_id || x_i), 64 bytes

``key`` = start || depth || payee separates keys from each other, i leaves of one key. A proof is
x_i with its path: 32 (depth + 1) bytes, 576 on mainnet, checked in depth + 3 hashes. i is the
height minus ``start``, so the header's index tells where its key began, and any key whose window
covers the height may be used. Revealing an x_i twice is harmless: two blocks of one height by one
payee then draw different outputs only by their parents.

The key can be chosen at will by trying secrets, so nothing that must be fair depends on it alone.
"""

from dataclasses import dataclass
from typing import Final

from esper.primitives.hashing import HASH32_BYTES, Xof, make_tag, tagged_hash, tagged_hash32, u64
from esper.primitives.ids import WorkId

TAG_PRF: Final = make_tag("esper/vrf/prf/v1")
TAG_INNER: Final = make_tag("esper/vrf/inner/v1")
TAG_LEAF: Final = make_tag("esper/vrf/leaf/v1")
TAG_NODE: Final = make_tag("esper/vrf/node/v1")
TAG_KEY: Final = make_tag("esper/vrf/key/v1")
TAG_OUTPUT: Final = make_tag("esper/vrf/output/v1")

SECRET_BYTES: Final = 32
OUTPUT_BYTES: Final = 64
MAX_DEPTH: Final = 24
"""Enough for 29 years of mainnet; bounds the time and memory that making a key takes."""


class VrfKeyError(ValueError):
    """A secret, depth, payee or index that no key can have."""


def _context(start: int, depth: int, payee: bytes) -> bytes:
    return u64(start) + bytes([depth]) + payee


def _leaf(context: bytes, index: int, value: bytes) -> bytes:
    place = context + u64(index)
    return tagged_hash32(TAG_LEAF, place, tagged_hash32(TAG_INNER, place, value))


def _key_root(context: bytes, top: bytes) -> bytes:
    return tagged_hash(TAG_KEY, context, top)


@dataclass(frozen=True, slots=True)
class VrfProof:
    """What a header carries: a leaf's value, its path and the output that they give."""

    value: bytes
    """x_i, 32 bytes."""
    path: tuple[bytes, ...]
    """Siblings from the leaf upwards, 32 bytes each, as many as the key is deep."""
    output: bytes
    """64 bytes; checked for equality, carried so that the beacon follows from headers alone."""


class VrfKey:
    """A secret key with its whole tree in memory (about 150 bytes a leaf in CPython)."""

    def __init__(self, secret: bytes, *, start: int, depth: int, payee: bytes) -> None:
        """Make the key of ``payee`` for heights [start, start + 2^depth).

        Raises VrfKeyError for a secret that is not 32 bytes, a depth outside [1, 24] or a negative
        start.
        """
        if len(secret) != SECRET_BYTES:
            raise VrfKeyError(f"vrf secret has {len(secret)} bytes, must have {SECRET_BYTES}")
        if not 1 <= depth <= MAX_DEPTH or not 0 <= start < 1 << 63:
            raise VrfKeyError(f"vrf depth {depth} must be in [1, {MAX_DEPTH}], start {start} >= 0")
        self._secret = secret
        self._start = start
        self._depth = depth
        self._context = _context(start, depth, payee)
        level = [_leaf(self._context, i, self._value(i)) for i in range(1 << depth)]
        self._levels = [level]
        while len(level) > 1:
            level = [
                tagged_hash32(TAG_NODE, level[i], level[i + 1]) for i in range(0, len(level), 2)
            ]
            self._levels.append(level)
        self._root = _key_root(self._context, level[0])

    @property
    def root(self) -> bytes:
        """64 bytes: the header's vrf_root."""
        return self._root

    @property
    def start(self) -> int:
        """First height of the key."""
        return self._start

    def covers(self, height: int) -> bool:
        """Whether the key has a leaf for ``height``."""
        return self._start <= height < self._start + (1 << self._depth)

    def prove(self, height: int, parent_work_id: WorkId) -> VrfProof:
        """The proof for a block at ``height``. Raises VrfKeyError outside the key's window."""
        if not self.covers(height):
            raise VrfKeyError(f"height {height} is outside the key that starts at {self._start}")
        index = height - self._start
        value = self._value(index)
        path = tuple(
            level[index >> depth ^ 1] for depth, level in enumerate(self._levels[: self._depth])
        )
        return VrfProof(value, path, vrf_output(self._root, index, parent_work_id, value))

    def _value(self, index: int) -> bytes:
        return tagged_hash32(TAG_PRF, self._secret, u64(self._start), u64(index))


def vrf_output(root: bytes, index: int, parent_work_id: WorkId, value: bytes) -> bytes:
    """The 64 bytes that a leaf gives on top of a parent."""
    return Xof(TAG_OUTPUT, root, u64(index), parent_work_id, value).read(OUTPUT_BYTES)


def verify_vrf_path(
    root: bytes, *, height: int, index: int, depth: int, payee: bytes, proof: VrfProof
) -> bool:
    """Whether ``proof.value`` is leaf ``index`` of the key ``root`` of ``payee`` at ``height``.

    False for a path of another length, pieces of another size and an index outside the key or
    above the height; never raises. The output is not looked at, it needs the parent.
    """
    if not 0 <= index < 1 << depth or index > height or len(proof.path) != depth:
        return False
    if any(len(piece) != HASH32_BYTES for piece in (proof.value, *proof.path)):
        return False
    context = _context(height - index, depth, payee)
    current = _leaf(context, index, proof.value)
    for level, sibling in enumerate(proof.path):
        pair = (sibling, current) if index >> level & 1 else (current, sibling)
        current = tagged_hash32(TAG_NODE, *pair)
    return _key_root(context, current) == root
