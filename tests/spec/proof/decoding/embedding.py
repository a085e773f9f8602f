"""The embedding rows of a proof against the descriptor's root (section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from blake3 import blake3

from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.decoding.reader import Reader
from tests.spec.proof.errors import MalformedError, RejectedError
from tests.spec.proof.parameters import EMBEDDING_NODE, EMBEDDING_ROOT, EMBEDDING_ROW


@dataclass(frozen=True)
class EmbeddingRows:
    """The rows of the distinct tokens, and the siblings that lead to the root."""

    rows: dict[int, tuple[int, ...]]
    encoded: dict[int, bytes]
    """The same rows as the proof brings them: what is hashed."""
    siblings: list[bytes]

    def named(self, tokens: Sequence[int]) -> Sequence[int]:
        """A row is named by its token."""
        return tokens


def missing_siblings(tokens: Iterable[int], vocab: int) -> list[list[int]]:
    """By level, the indices of the nodes that a proof must bring."""
    levels = []
    known, width = sorted(set(tokens)), vocab
    while width > 1:
        have = set(known)
        siblings = sorted({i ^ 1 for i in known} - have)
        levels.append([i for i in siblings if i < width])
        known = sorted({i >> 1 for i in known})
        width = (width + 1) >> 1
    return levels


def decode(reader: Reader, tokens: Iterable[int], d: Descriptor) -> EmbeddingRows:
    """The next bytes of a proof."""
    distinct = sorted(set(tokens))
    encoded = {token: reader.take((d.embed_bits * d.dim + 7) // 8) for token in distinct}
    rows = {token: unpacked(data, d.embed_bits, d.dim) for token, data in encoded.items()}
    siblings = reader.digests(sum(map(len, missing_siblings(distinct, d.vocab))))
    return EmbeddingRows(rows, encoded, siblings)


def unpacked(data: bytes, bits: int, count: int) -> tuple[int, ...]:
    """Two's complement numbers of so many bits, the first one lowest."""
    whole, size = int.from_bytes(data, "little"), 1 << bits
    if whole >> (bits * count):
        raise MalformedError("bits behind the values of a row")
    digits = [whole >> (bits * i) & (size - 1) for i in range(count)]
    return tuple(digit - size if digit >= size // 2 else digit for digit in digits)


def check(embedding: EmbeddingRows, d: Descriptor) -> None:
    """Raises RejectedError if the rows are not those under the descriptor's root."""
    nodes = {
        token: _keyed(EMBEDDING_ROW, token.to_bytes(4, "little") + row)
        for token, row in embedding.encoded.items()
    }
    siblings, width = iter(embedding.siblings), d.vocab
    for missing in missing_siblings(nodes, d.vocab):
        nodes |= {index: next(siblings) for index in missing}
        nodes = {
            index >> 1: _keyed(EMBEDDING_NODE, nodes[index & ~1] + nodes[index | 1])
            if index | 1 < width
            else nodes[index]
            for index in nodes
        }
        width = (width + 1) >> 1
    sizes = d.vocab.to_bytes(8, "little") + d.dim.to_bytes(8, "little")
    if _keyed(EMBEDDING_ROOT, sizes + nodes[0]) != d.embedding_root:
        raise RejectedError("the embedding rows have another root")


def _keyed(context: str, data: bytes) -> bytes:
    return blake3(data, derive_key_context=context).digest()
