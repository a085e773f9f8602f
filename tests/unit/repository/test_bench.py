"""What is measured is what the product runs: the random model loads, proves and verifies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import measure, model_quality, score_cost
from bench.random_checkpoint import write_random_model
from bench.run import medians
from esper._native import NativeFloatModel
from esper.model.config import Shape, read_config
from esper.model.exporting.native_calibration import native_config
from esper.model.importing.weight_files import weight_files
from esper.model.loaded import load_model
from tests.spec.g16_numpy import SpecModel

TINY = Shape(vocab=64, dim=32, hidden=48, layers=1, heads=2, kv_heads=1, head_dim=16, max_seq=64)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_random_model(folder, TINY, gate_bits=12)
    return folder


def test_equal_seeds_give_equal_models(model: Path, tmp_path: Path) -> None:
    write_random_model(tmp_path, TINY, gate_bits=12)
    for name in ("model.safetensors", "g16.safetensors"):
        assert (tmp_path / name).read_bytes() == (model / name).read_bytes()


def test_a_proof_fills_its_rows(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "answer.proof"
    proved = measure.prove_once(model, 16, file)
    assert 1 <= proved["answered"] <= 4
    assert proved["proof_bytes"] < file.stat().st_size
    verified = measure.verify_often(file)
    assert verified["security_bits"] >= 128
    assert verified["verify_ms"] > 0


def test_both_engines_decode(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "DECODE_POSITIONS", 32)
    assert all(speed > 0 for speed in measure.decode(model).values())


def test_quality_is_that_of_the_specification(model: Path) -> None:
    config = read_config(model / "config.json")
    floats = NativeFloatModel.load(weight_files(model), 1, *native_config(config))
    sequences = [[1, *range(3 + n, 30 + n)] for n in range(6)]
    quality = model_quality.compared(floats, load_model(model), sequences)
    assert quality.tokens == sum(len(sequence) - 1 for sequence in sequences)
    assert quality.same_top > 0.8
    assert abs(quality.change) < 0.02
    assert 0 < quality.change_error < 0.02
    ratio = quality.integer_perplexity / quality.float_perplexity
    assert ratio == pytest.approx(1 + quality.change)
    spec = SpecModel(model)
    for sequence in sequences:
        fast = model_quality.FastSpec(model).logits(sequence)
        assert np.array_equal(fast, spec.logits(sequence))
    counted = model_quality.clamps(model, sequences)
    assert all(count > 0 for count in counted.values())


def test_medians_are_taken_field_by_field() -> None:
    runs = [{"a": 3.0, "b": 1.0}, {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 9.0}]
    assert medians(runs) == {"a": 2.0, "b": 2.0}


def test_a_replay_is_measured_against_its_answer(model: Path) -> None:
    loaded = load_model(model)
    prompts = score_cost.prompts_of(loaded, 3, 8)
    assert {len(prompt) for prompt in prompts} == {8}
    cost = score_cost.cost_of(loaded, prompts, 16)
    assert cost.answer > 0
    assert cost.replay > 0
    assert 3 <= cost.tokens <= 48
    line = score_cost.row("tiny", [(0.5, 0.25, 1.0), (0.125, 2.0, 4.0)])
    assert line == "| tiny | 0.50 | 0.12 | 0.25 | 2.00 | 1.00 | 4.00 |"
    assert {text.count("|") for text in [*score_cost.head(), line]} == {8}


def test_a_replay_of_other_candidates_is_no_figure(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_model(model)

    class Lying:
        generate = loaded.native.generate

        @staticmethod
        def score(*_: object) -> list[list[list[tuple[int, int]]]]:
            return [[[(0, 0)]]]

    monkeypatch.setattr(loaded, "native", Lying)
    with pytest.raises(ValueError, match="different candidates"):
        score_cost.cost_of(loaded, score_cost.prompts_of(loaded, 1, 4), 4)
