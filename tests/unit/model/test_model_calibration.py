from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from esper.model.errors import (
    CalibrationMismatchError,
    InvalidFieldError,
    MalformedFileError,
    MissingFileError,
)
from esper.model.exporting.calibration import (
    LAYER_SITES,
    calibrate,
    calibration_sequences,
    load_calibration,
    save_calibration,
)
from esper.model.exporting.float_reference import FloatModel
from esper.model.exporting.native_calibration import calibrate_natively
from tests.spec.random_checkpoint import random_checkpoint, write_checkpoint

CHECKPOINT = random_checkpoint(5)
SEQUENCES = [[1, 7, 9, 30], [1, 3, 3, 8], [1, 39]]


def test_measurements_are_those_of_the_model() -> None:
    seen: dict[tuple[int, str], list[Any]] = {}
    model = FloatModel(CHECKPOINT)
    for sequence in SEQUENCES:
        model.logits(
            np.array([sequence]),
            lambda layer, site, values: seen.setdefault((layer, site), []).append(values.ravel()),
        )
    calibration = calibrate(CHECKPOINT, SEQUENCES)
    assert calibration.tokens == 10
    assert len(calibration.layers) == 2
    for index, layer in enumerate(calibration.layers):
        assert set(layer) == set(LAYER_SITES)
        for site, spread in layer.items():
            values = np.abs(np.concatenate(seen[index, site]).astype(np.float64))
            assert spread.absmax == pytest.approx(values.max(), rel=1e-5)
            assert spread.mean_abs == pytest.approx(values.mean(), rel=1e-5)


def test_the_native_engine_measures_the_same(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, CHECKPOINT)
    steps = []
    native = calibrate_natively(
        tmp_path, CHECKPOINT, SEQUENCES * 4, progress=lambda *step: steps.append(step)
    )
    slow = calibrate(CHECKPOINT, SEQUENCES * 4)
    assert (native.checkpoint, native.tokens) == (slow.checkpoint, slow.tokens)
    pairs = [*zip(native.layers, slow.layers, strict=True), (native.final, slow.final)]
    for found, wanted in pairs:
        assert set(found) == set(wanted)
        for site, spread in wanted.items():
            assert found[site].absmax == pytest.approx(spread.absmax, rel=1e-4)
            assert found[site].mean_abs == pytest.approx(spread.mean_abs, rel=1e-4)
    assert steps == [(8, 12), (12, 12)]


def test_float_model_is_causal_and_batches_agree() -> None:
    model = FloatModel(CHECKPOINT)
    one = model.logits(np.array([[1, 7, 9, 30]]))
    two = model.logits(np.array([[1, 7, 9, 31], [1, 7, 9, 30]]))
    np.testing.assert_allclose(one[0], two[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one[0, :3], two[0, :3], rtol=1e-4, atol=1e-5)
    assert np.abs(one[0, 3] - two[0, 3]).max() > 1e-3


def test_saved_calibration_returns_and_is_stable(tmp_path: Path) -> None:
    path, again = tmp_path / "calibration.json", tmp_path / "again.json"
    save_calibration(path, calibrate(CHECKPOINT, SEQUENCES))
    loaded = load_calibration(path, CHECKPOINT)
    save_calibration(again, loaded)
    assert path.read_bytes() == again.read_bytes()
    assert load_calibration(again, CHECKPOINT) == loaded


def test_calibration_of_other_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    save_calibration(path, calibrate(CHECKPOINT, SEQUENCES))
    with pytest.raises(CalibrationMismatchError, match="--text"):
        load_calibration(path, random_checkpoint(6))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": "other"}, MalformedFileError),
        ({"version": 2}, InvalidFieldError),
        ({"tokens": 0}, InvalidFieldError),
        ({"tokens": "10"}, InvalidFieldError),
        ({"layers": []}, MalformedFileError),
        ({"final": {}}, InvalidFieldError),
        ({"final": {"input": {"absmax": 1.5, "mean_abs": "1"}}}, InvalidFieldError),
        ({"final": {"input": {"absmax": "nan", "mean_abs": "1"}}}, InvalidFieldError),
        ({"final": {"input": {"absmax": "-1", "mean_abs": "1"}}}, InvalidFieldError),
        ({"final": {"input": {"absmax": "1e999", "mean_abs": "1"}}}, InvalidFieldError),
        ({"final": {"input": {"absmax": "one", "mean_abs": "1"}}}, InvalidFieldError),
    ],
)
def test_broken_calibrations_are_refused(
    tmp_path: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    path = tmp_path / "calibration.json"
    save_calibration(path, calibrate(CHECKPOINT, SEQUENCES))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(error):
        load_calibration(path, CHECKPOINT)


def test_unreadable_calibrations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="--text"):
        load_calibration(tmp_path / "absent", CHECKPOINT)
    (tmp_path / "broken").write_text("{")
    with pytest.raises(MalformedFileError):
        load_calibration(tmp_path / "broken", CHECKPOINT)


@pytest.mark.parametrize("sequences", [[], [[]], [[40]], [[-1]], [[1] * 65]])
def test_unfit_sequences_are_refused(sequences: list[list[int]]) -> None:
    with pytest.raises(InvalidFieldError, match="sequences"):
        calibrate(CHECKPOINT, sequences)
    with pytest.raises(InvalidFieldError, match="sequences"):
        calibrate_natively(Path(), CHECKPOINT, sequences)


def test_sequences_hold_the_text_once_with_salt_in_every_second() -> None:
    text = list(range(100, 200))
    sequences = calibration_sequences(text, bos=1, vocab=50, length=30, seed=3)
    assert all(sequence[0] == 1 and len(sequence) <= 30 for sequence in sequences)
    plain = [sequence[1:] for sequence in sequences[::2]]
    salted = [sequence[14:] for sequence in sequences[1::2]]
    salts = [sequence[1:14] for sequence in sequences[1::2]]
    assert all(0 <= token < 50 for salt in salts for token in salt)
    joined = [
        token
        for index in range(len(sequences))
        for token in (salted if index % 2 else plain)[index // 2]
    ]
    assert joined == text
    assert sequences == calibration_sequences(text, bos=1, vocab=50, length=30, seed=3)
    assert sequences != calibration_sequences(text, bos=1, vocab=50, length=30, seed=4)
    with pytest.raises(InvalidFieldError, match="length"):
        calibration_sequences(text, bos=1, vocab=50, length=14, seed=3)


def test_progress_reaches_its_end() -> None:
    steps: list[tuple[int, int]] = []
    calibrate(CHECKPOINT, SEQUENCES, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (3, 3)
