"""Seconds by shape: what they are made of. Beside proofs that were made: test_plan_check.py."""

from __future__ import annotations

from itertools import pairwise

import pytest

from esper.planning.cells import Rows, segments_of
from esper.planning.costs import seconds_of, stages
from esper.planning.shapes import NAMED
from esper.prover.parts.planning import proving_order

STAGES = (
    *("witness", "commitment", "leaves", "fractional sum", "linear stage", "products"),
    *("contraction", "witness claims", "model claims", "witness opening", "model opening"),
)
SHAPE = NAMED["15m"]
ROWS = Rows(64, 1, 16)


def test_stages_are_the_provers() -> None:
    (whole,) = segments_of(SHAPE, 1) or ()
    found = dict(stages(SHAPE, whole, ROWS))
    assert tuple(found) == STAGES
    assert all(seconds > 0 for seconds in found.values())
    (proof,) = seconds_of(SHAPE, (whole,), ROWS).parts
    assert proof == pytest.approx(sum(found.values()))


def test_a_first_proof_is_the_sum_and_a_further_one_lacks_what_is_kept() -> None:
    found = seconds_of(SHAPE, segments_of(SHAPE, 1) or (), ROWS)
    assert found.cold == pytest.approx(found.load + found.answer + found.keys + found.proving)
    assert found.warm == pytest.approx(found.answer + found.proving)


def test_segments_commit_to_all_layers_but_the_first_proven_twice() -> None:
    found = seconds_of(SHAPE, segments_of(SHAPE, 3) or (), ROWS)
    first = proving_order(3)[0]
    once = found.part_keys[first]
    twice = 2 * (sum(found.part_keys) - once)
    tree = 2 * 41e-9 * SHAPE.vocab * SHAPE.dim
    assert found.keys == pytest.approx(once + twice + tree)
    assert found.warm == pytest.approx(found.cold - found.load)


def test_everything_grows_with_rows_and_with_the_model() -> None:
    for names in pairwise(("260k", "15m", "110m", "135m", "360m", "1b", "8b", "70b", "405b")):
        less, more = (
            seconds_of(NAMED[name], segments_of(NAMED[name], 1) or (), ROWS) for name in names
        )
        assert less.cold < more.cold
        assert less.warm < more.warm
    by_rows = [
        seconds_of(SHAPE, segments_of(SHAPE, 1) or (), Rows(positions, 1, 4)).cold
        for positions in (16, 32, 64, 128, 256)
    ]
    assert by_rows == sorted(set(by_rows))
