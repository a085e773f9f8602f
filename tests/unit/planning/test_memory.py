"""Memory by shape alone beside what the prover plans for a model, and refuses by."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.random_integers import write_random_integers
from esper._native import proof_plan
from esper.model import load_model
from esper.model.config import Shape
from esper.model.loaded import LoadedModel
from esper.planning.cells import Rows, segments_of
from esper.planning.memory import BESIDE, answering_bytes, memory_of
from esper.planning.shapes import NAMED
from esper.prover.parts import CutModel

STORIES_260K = NAMED["260k"]
# Large enough that a byte for each of its weights is seen.
WIDE = Shape(4096, 192, 512, 3, 6, 2, 32, 256)
NEAR = {STORIES_260K: 0.02, WIDE: 0.0005}
"""Relative; the small one's scores have a smaller table than is assumed."""


@pytest.fixture(scope="module", params=[STORIES_260K, WIDE], ids=["260k", "wide"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shape, Path, LoadedModel]:
    folder = tmp_path_factory.mktemp("model")
    write_random_integers(folder, request.param)
    return request.param, folder, load_model(folder)


@pytest.mark.parametrize(("positions", "answers"), [(16, 8), (64, 16), (256, 64)])
def test_of_a_whole_model(
    made: tuple[Shape, Path, LoadedModel], positions: int, answers: int
) -> None:
    shape, _, model = made
    planned = proof_plan(model.native, 1, positions, answers)["memory_bytes"]
    (found,) = memory_of(shape, segments_of(shape, 1) or (), Rows(positions, 1, answers))
    assert found - BESIDE == pytest.approx(planned - BESIDE, rel=NEAR[shape])


@pytest.mark.parametrize("count", [2, 3])
def test_of_segments(made: tuple[Shape, Path, LoadedModel], count: int) -> None:
    shape, folder, model = made
    planned = CutModel(folder, model.native, count).planned([[1] * 49], 16)
    found = memory_of(shape, segments_of(shape, count) or (), Rows(64, 1, 16))
    assert [one - BESIDE for one in found] == pytest.approx(
        [part.memory_bytes - BESIDE for part in planned.parts], rel=NEAR[shape]
    )
    # Each part has tables of its own, which only so small a model notices.
    tables = 3 * count * ((1 << 15) + 3072 + shape.head_dim * shape.max_seq)
    assert answering_bytes(shape) <= planned.integers_bytes <= answering_bytes(shape) + tables
