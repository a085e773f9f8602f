"""The program for a lent graphics card runs from end to end, without one."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("torch")

from bench import torch_gpu
from bench.torch_models import EIGHT_BILLION, SMOLLM2, RandomTensors, parameters_of
from esper.model.checkpoint import linear_sizes


def test_the_whole_program_on_a_processor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch_gpu, "STEPS", 3)
    monkeypatch.setattr(torch_gpu, "ANSWER", 2)
    monkeypatch.setattr(sys, "argv", ["torch_gpu", "--device", "cpu", "--tiny"])
    torch_gpu.main()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[-1] == {"summary": "equal"}
    assert {"genesis": "all known answers", "rows": 32, "graphs": False} in told
    speeds = [one for one in told if "tokens_per_second" in one]
    assert [(one["engine"], one["batch"]) for one in speeds] == [
        ("integer", 1),
        ("integer", 32),
        ("bfloat16", 1),
        ("bfloat16", 32),
    ]


def test_a_card_that_differs_is_told_and_its_speed_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch_gpu, "equal_steps", lambda *_: False)
    monkeypatch.setattr(sys, "argv", ["torch_gpu", "--device", "cpu", "--tiny"])
    with pytest.raises(SystemExit, match="1"):
        torch_gpu.main()
    assert "tokens_per_second" not in capsys.readouterr().out


def test_the_shapes_have_the_weights_that_their_names_say() -> None:
    for shape, weights in ((SMOLLM2, 134.5e6), (EIGHT_BILLION, 8.03e9)):
        layer = sum(outputs * inputs for outputs, inputs in linear_sizes(shape).values())
        heads = 1 if shape is SMOLLM2 else 2
        total = shape.layers * layer + heads * shape.vocab * shape.dim
        assert abs(total / weights - 1) < 0.01
    tensors = RandomTensors(parameters_of(SMOLLM2))
    assert len(tensors) == len(list(tensors))
