"""Where each of the model's integers stands in its polynomial (section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.spec.proof import parameters as p

if TYPE_CHECKING:
    from tests.spec.proof.decoding.descriptor import Descriptor


@dataclass(frozen=True)
class Piece:
    """A block [outputs][2^bits] of a matrix."""

    start: int
    first_input: int
    bits: int


@dataclass(frozen=True)
class Matrix:
    """A matrix, its inputs split in binary."""

    outputs: int
    inputs: int
    pieces: tuple[Piece, ...]


NO_MATRIX = Matrix(0, 0, ())


class ModelLayout:
    """The cells of one model."""

    def __init__(self, d: Descriptor) -> None:
        self._at = 0
        self.lm_head = self._matrix(d.vocab, d.dim) if d.has_head else NO_MATRIX
        self.matrices: list[dict[str, Matrix]] = [
            {name: self._matrix(*size) for name, size in d.matrix_sizes().items()} for _ in d.layers
        ]
        self.gains: list[tuple[int, int]] = []
        self.silu: list[int] = []
        for layer in d.layers:
            self.gains.append((self._take(d.dim), self._take(d.dim)))
            self.silu.append(self._take((1 << layer.gate_bits) - 1))
        self.final_gain = self._take(d.dim if d.has_head else 0)
        self.cos = self._take(d.pairs * d.max_seq)
        self.sin = self._take(d.pairs * d.max_seq)
        self.exp = self._take(p.EXP_ENTRIES)
        self.rsqrt = self._take(p.RSQRT_LAST - p.RSQRT_FIRST + 1)
        self.cells = self._at

    def _take(self, count: int) -> int:
        self._at += count
        return self._at - count

    def _matrix(self, outputs: int, inputs: int) -> Matrix:
        pieces, first = [], 0
        for bits in reversed(range(inputs.bit_length())):
            if inputs >> bits & 1:
                self._at += -self._at % (1 << bits)
                pieces.append(Piece(self._take(outputs << bits), first, bits))
                first += 1 << bits
        return Matrix(outputs, inputs, tuple(pieces))
