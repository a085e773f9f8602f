"""Bytes of a proof by shape alone beside those of proofs that were made."""

from __future__ import annotations

import random

import pytest

from esper.model.config import Shape
from esper.planning.cells import NARROW, Modes, Rows, segments_of
from esper.planning.commitments import expected_siblings
from esper.planning.proof_bytes import part_bytes, residual_bytes

STORIES_260K = Shape(512, 64, 172, 5, 8, 4, 8, 512)
STORIES_15M = Shape(32000, 288, 768, 6, 6, 6, 48, 256)
STORIES_110M = Shape(32000, 768, 2048, 12, 12, 12, 64, 1024)
SMOLLM2_135M = Shape(49152, 576, 1536, 30, 9, 3, 64, 2048)
SMOLLM2_360M = Shape(49152, 960, 2560, 32, 15, 5, 64, 2048)
MADE = [
    (STORIES_260K, 16, 8, 1, 220579),
    (STORIES_260K, 64, 16, 1, 286743),
    (STORIES_260K, 256, 64, 1, 347483),
    (STORIES_15M, 16, 8, 1, 396064),
    (STORIES_15M, 64, 16, 1, 446576),
    (STORIES_15M, 256, 64, 1, 613836),
    (STORIES_15M, 16, 8, 3, 982076),
    (STORIES_110M, 16, 8, 1, 549502),
    (STORIES_110M, 64, 16, 1, 654682),
    (SMOLLM2_135M, 16, 8, 1, 570944),
    (SMOLLM2_135M, 16, 8, 2, 1051174),
    (SMOLLM2_135M, 16, 8, 4, 1735442),
    (SMOLLM2_135M, 64, 32, 4, 2239070),
    (SMOLLM2_360M, 16, 8, 4, 2227196),
]
"""Proofs of random weights, by bench.proof_stages: shape, rows, answers, parts, bytes."""


def planned(shape: Shape, positions: int, answers: int, parts: int, modes: Modes) -> int:
    rows = Rows(positions, 1, answers)
    found = segments_of(shape, parts) or ()
    between = (parts - 1) * residual_bytes(shape, rows)
    return between + sum(part_bytes(shape, one, rows, modes, parts=parts) for one in found)


@pytest.mark.parametrize(("shape", "positions", "answers", "parts", "made"), MADE)
def test_bytes_are_those_of_proofs_that_were_made(
    shape: Shape, positions: int, answers: int, parts: int, made: int
) -> None:
    assert planned(shape, positions, answers, parts, NARROW) == pytest.approx(made, rel=0.02)


def test_siblings_are_as_many_as_drawn_paths_lack() -> None:
    chooser = random.Random(1)
    depth, drawn, runs = 10, 79, 200
    total = 0
    for _ in range(runs):
        known = {chooser.randrange(1 << depth) for _ in range(drawn)}
        for _ in range(depth):
            total += sum(one ^ 1 not in known for one in known)
            known = {one >> 1 for one in known}
    assert expected_siblings(depth, drawn) == pytest.approx(total / runs, rel=0.02)
