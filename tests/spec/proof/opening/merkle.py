"""Rows of a codeword against the root of its tree."""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

from tests.spec.proof.arithmetic.field import Ext
from tests.spec.proof.errors import RejectedError
from tests.spec.proof.parameters import (
    BLAKE3_BLOCK_BYTES,
    ELEMENT_BYTES,
    LEAF_CONTEXT,
    NODE_CONTEXT,
)

Row = Sequence[int] | Sequence[Ext]


def leaf(row: Row) -> bytes:
    """The hash of a row."""
    elements = [e for v in row for e in (v.coefficients if isinstance(v, Ext) else (v,))]
    data = b"".join(element.to_bytes(ELEMENT_BYTES, "little") for element in elements)
    data += bytes(-len(data) % BLAKE3_BLOCK_BYTES)
    return blake3(data, derive_key_context=LEAF_CONTEXT).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two nodes."""
    return blake3(left + right, derive_key_context=NODE_CONTEXT).digest()


def check(
    root: bytes,
    depth: int,
    indices: Sequence[int],
    rows: Sequence[Row],
    siblings: Sequence[bytes],
) -> None:
    """Raises RejectedError unless the rows stand at the indices under the root.

    Siblings come level by level from the leaves, in each level by ascending index: those that
    neither are known nor can be computed.
    """
    nodes: dict[int, bytes] = {}
    for index, digest in zip(indices, map(leaf, rows), strict=True):
        if nodes.setdefault(index, digest) != digest:
            raise RejectedError("one row of a codeword is opened as two")
    left = iter(siblings)
    for _ in range(depth):
        missing = sorted({index ^ 1 for index in nodes} - nodes.keys())
        for index in missing:
            sibling = next(left, None)
            if sibling is None:
                raise RejectedError("there are too few siblings")
            nodes[index] = sibling
        nodes = {
            index >> 1: node(nodes[index], nodes[index + 1]) for index in nodes if not index & 1
        }
    if next(left, None) is not None:
        raise RejectedError("there are too many siblings")
    if nodes[0] != root:
        raise RejectedError("rows do not stand under their root")
