"""The fractional sum: fractions at the leaves of a tree that add up to 0 (section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof.arithmetic.field import ZERO, Ext
from tests.spec.proof.arithmetic.multilinear import Point
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.decoding.proof_bytes import FractionLayer
from tests.spec.proof.errors import RejectedError

_NAME = b"esper/fractions/v2"
_LOW = 3


@dataclass(frozen=True)
class Leaf:
    """What remains: the numerators' and the denominators' values at a point of the leaves."""

    point: Point
    numerator: Ext
    denominator: Ext


def check(transcript: Transcript, root_denominator: Ext, layers: list[FractionLayer]) -> Leaf:
    """Raises RejectedError if a layer does not close."""
    if not root_denominator:
        raise RejectedError("the root of the fractions is no fraction")
    transcript.string(_NAME)
    transcript.u64(len(layers))
    transcript.ext(root_denominator)
    blocks: Point = []
    low: Point = []
    numerator, denominator = ZERO, root_denominator
    for layer in layers:
        mix = transcript.draw()
        claim = numerator + mix * denominator
        drawn: Point = []
        for x, (a, b) in zip([*blocks, *low], layer.rounds, strict=True):
            transcript.exts([a, b])
            r = transcript.draw()
            claim = claim - x * (a + b) + a * r + b * r * r
            drawn.append(r)
        gate = layer.d1 * layer.n0 + layer.d0 * layer.n1 + mix * layer.d0 * layer.d1
        if claim != gate:
            raise RejectedError("a layer of the fractional sum does not close")
        transcript.exts([layer.n0, layer.d0, layer.n1, layer.d1])
        branch = transcript.draw()
        numerator = layer.n0 + branch * (layer.n1 - layer.n0)
        denominator = layer.d0 + branch * (layer.d1 - layer.d0)
        split = len(blocks)
        if len(low) < _LOW:
            low = [branch, *drawn]
        else:
            blocks, low = [branch, *drawn[:split]], drawn[split:]
    return Leaf([*reversed(blocks), *reversed(low)], numerator, denominator)
