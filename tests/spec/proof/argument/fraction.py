"""The fractional sum: fractions at the leaves of a tree that add up to 0 (section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof.arithmetic.field import ZERO, Ext, value_at
from tests.spec.proof.arithmetic.multilinear import Point, eq_points
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.decoding.proof_bytes import FractionLayer
from tests.spec.proof.errors import RejectedError
from tests.spec.proof.opening.described_steps import bracket, challenge, message, seed

_NAME = b"p3-multi-stark-fraction-gkr"
_VERSION = 2


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
    steps = [message("root_denominator")]
    for i in range(len(layers)):
        rounds = [message("round_poly", 3), challenge("round_challenge", 1)] * i
        ends = [message("claims", 4), challenge("branch", 1)]
        steps += bracket("layer", [challenge("batching"), *rounds, *ends])
    seed(transcript, _NAME, _VERSION, steps)
    transcript.ext(root_denominator)
    point: Point = []
    numerator, denominator = ZERO, root_denominator
    for layer in layers:
        mix = transcript.draw()
        claim = numerator + mix * denominator
        inner: Point = []
        for values in layer.rounds:
            transcript.exts(values)
            coordinate = transcript.draw_nonzero()
            claim = value_at([values[0], claim - values[0], *values[1:]], coordinate)
            inner.append(coordinate)
        gate = layer.d1 * layer.n0 + layer.d0 * layer.n1 + mix * layer.d0 * layer.d1
        if claim != eq_points(point, inner) * gate:
            raise RejectedError("a layer of the fractional sum does not close")
        transcript.exts([layer.n0, layer.d0, layer.n1, layer.d1])
        branch = transcript.draw_nonzero()
        numerator = layer.n0 + branch * (layer.n1 - layer.n0)
        denominator = layer.d0 + branch * (layer.d1 - layer.d0)
        point = [branch, *inner]
    return Leaf(point, numerator, denominator)
