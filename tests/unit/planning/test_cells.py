"""Cells by shape alone beside the prover's own plan of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.random_integers import write_random_integers
from esper._native import proof_plan
from esper.model import load_model
from esper.model.config import Shape
from esper.model.loaded import LoadedModel
from esper.planning.cells import Rows, cells_of, model_weights, power_of_two, segments_of
from esper.prover.parts import CutModel

STORIES_260K = Shape(512, 64, 172, 5, 8, 4, 8, 512)
ODD = Shape(300, 48, 100, 3, 6, 2, 8, 256)


@pytest.fixture(scope="module", params=[STORIES_260K, ODD], ids=["260k", "odd"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Shape, Path, LoadedModel]:
    folder = tmp_path_factory.mktemp("model")
    write_random_integers(folder, request.param)
    return request.param, folder, load_model(folder)


def assert_close(found: int, planned: int) -> None:
    """To half a percent, beside one table of scores that is assumed as large as it can be."""
    assert 0.995 * planned <= found <= 1.005 * planned + (1 << 15)


@pytest.mark.parametrize(("positions", "answers"), [(16, 8), (64, 16), (256, 64)])
def test_a_whole_model(made: tuple[Shape, Path, LoadedModel], positions: int, answers: int) -> None:
    shape, _, model = made
    planned = proof_plan(model.native, 1, positions, answers)
    (whole,) = segments_of(shape, 1) or ()
    found = cells_of(shape, whole, Rows(positions, 1, answers))
    assert_close(found.witness, planned["witness_cells"])
    assert_close(found.leaves, planned["leaves"])
    assert found.model == pytest.approx(planned["model_cells"], rel=0.01)


@pytest.mark.parametrize("count", [2, 3])
def test_parts_are_cut_where_the_prover_cuts_them(
    made: tuple[Shape, Path, LoadedModel], count: int
) -> None:
    shape, folder, model = made
    planned = CutModel(folder, model.native, count).planned([[1] * 9], 8).parts
    found = segments_of(shape, count)
    assert found is not None
    assert [(one.first_layer, one.layers) for one in found] == [
        (part.first_layer, part.layers) for part in planned
    ]
    for segment, part in zip(found, planned, strict=True):
        cells = cells_of(shape, segment, Rows(16, 1, 8))
        assert_close(cells.witness, part.witness_cells)
        assert cells.model == pytest.approx(part.model_cells, rel=0.01)


def test_segments_are_whole_layers_that_come_one_after_the_other() -> None:
    assert segments_of(STORIES_260K, 6) is None
    for count in range(1, 6):
        found = segments_of(STORIES_260K, count) or ()
        assert [one.has_embedding for one in found] == [True] + [False] * (count - 1)
        assert [one.has_head for one in found] == [False] * (count - 1) + [True]
        assert sum(one.layers for one in found) == STORIES_260K.layers
        assert sum(model_weights(STORIES_260K, one) for one in found) == model_weights(STORIES_260K)


@pytest.mark.parametrize(("number", "power"), [(0, 1), (1, 1), (2, 2), (3, 4), (64, 64), (65, 128)])
def test_powers_of_two(number: int, power: int) -> None:
    assert power_of_two(number) == power
