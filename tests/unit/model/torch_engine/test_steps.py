"""Steps that are replayed, with a stand-in for a CUDA graph: the same buffers, written again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from esper.model import LoadedModel
from esper.model.torch_engine import steps
from esper.model.torch_engine.steps import whole
from esper.model.torch_engine.stream import AnswerStream
from tests.support.second_verifier import random_model
from tests.support.torch_engine.device_models import device_model

Found = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def native(folder: Path) -> LoadedModel:
    return random_model(folder, 11)


class StandIn:
    """Runs what was recorded and writes into the tensors of the recording, as a graph does."""

    def __init__(self, work: Callable[[], Found], found: Found) -> None:
        self._work = work
        self._found = found
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        for mine, new in zip(self._found, self._work(), strict=True):
            mine.copy_(new)


def check(native: LoadedModel, stream: AnswerStream) -> None:
    prompts = [[one, 7, 9] for one in range(12)]
    for prompt, found in zip(prompts, stream.answers(prompts, 5), strict=True):
        ((tokens, top),) = native.native.generate([prompt], 5, 4, 1)
        assert (found.tokens, found.top) == (tuple(tokens), tuple(map(tuple, top)))


def replayed(folder: Path) -> AnswerStream:
    return AnswerStream(device_model(folder), rows=20, slots=6, positions=32, top_k=4, graphs=True)


def test_steps_are_recorded_once_and_replayed(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[StandIn] = []

    def record(work: Callable[[], Found]) -> tuple[Any, Found]:
        found = work()
        made.append(StandIn(work, found))
        return made[-1], found

    monkeypatch.setattr(steps, "_record", record)
    stream = replayed(folder)
    check(native, stream)
    check(native, stream)
    assert stream.graphs
    [graph] = made
    assert graph.replays > 10


def test_a_recording_that_fails_leaves_steps_that_run_by_themselves(
    folder: Path, native: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(work: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(steps, "_record", record)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    stream = replayed(folder)
    check(native, stream)
    assert not stream.graphs


def test_products_get_the_rows_that_they_need() -> None:
    assert [whole(rows) for rows in (1, 32, 33, 139, 512)] == [32, 32, 64, 160, 512]
