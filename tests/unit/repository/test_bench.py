"""What is measured is what the product runs: the random model loads, proves and verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import measure
from bench.random_checkpoint import write_random_model
from bench.run import medians
from esper.model.config import Shape

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


def test_medians_are_taken_field_by_field() -> None:
    runs = [{"a": 3.0, "b": 1.0}, {"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 9.0}]
    assert medians(runs) == {"a": 2.0, "b": 2.0}
