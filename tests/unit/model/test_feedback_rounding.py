from __future__ import annotations

import numpy as np
import pytest

from esper.model.checkpoint import linear_sizes
from esper.model.exporting.calibration import calibrate
from esper.model.exporting.export import export_model
from esper.model.exporting.feedback_rounding import ErrorFeedback
from esper.model.exporting.float_reference import FINAL, FloatModel
from esper.model.exporting.quantize import ROW_L1_TOP, round_linear
from esper.model.exporting.second_moments import SecondMoments, measure_second_moments
from esper.model.g16_format import IntegerModel
from esper.model.safetensors_file import AnyArray
from tests.spec.random_checkpoint import random_checkpoint

RNG = np.random.default_rng(5)
CHECKPOINT = random_checkpoint(11)
SEQUENCES = [[1, *RNG.integers(0, 40, 40).tolist()] for _ in range(40)]


def _correlated(inputs: int, tokens: int) -> AnyArray:
    few = RNG.standard_normal((tokens, inputs // 4))
    mixed = few @ RNG.standard_normal((inputs // 4, inputs))
    return np.asarray(mixed + 0.1 * RNG.standard_normal((tokens, inputs)))


@pytest.mark.parametrize("inputs", [8, 128, 300])
def test_products_are_closer_than_to_the_nearest(inputs: int) -> None:
    """300 inputs: errors pass the border between blocks of columns."""
    x = _correlated(inputs, 4 * inputs)
    rows = 3 * RNG.standard_normal((20, inputs))
    weight = ErrorFeedback(x.T @ x).rounded(rows)
    error = np.square(x @ (weight - rows).T).mean()
    nearest = np.square(x @ (np.rint(rows) - rows).T).mean()
    assert error < 0.5 * nearest
    assert np.abs(weight.astype(int) - rows).max() < 20


def test_inputs_that_do_not_go_together_change_nothing() -> None:
    rows = 40 * RNG.standard_normal((20, 12))
    weight = ErrorFeedback(np.diag(np.arange(1.0, 13.0))).rounded(rows)
    assert np.array_equal(weight, np.clip(np.rint(rows), -127, 127))


def test_inputs_never_seen_are_rounded_to_the_nearest() -> None:
    rows = 40 * RNG.standard_normal((4, 6))
    assert np.array_equal(ErrorFeedback(np.zeros((6, 6))).rounded(rows), np.rint(rows))


def test_weights_stay_within_int8() -> None:
    x = _correlated(16, 64)
    assert np.abs(ErrorFeedback(x.T @ x).rounded(np.full((3, 16), 126.6)).astype(int)).max() == 127


def test_rows_keep_their_bound_with_feedback() -> None:
    x = _correlated(1024, 2048)
    linear = round_linear("test", np.ones((1, 1024)), 16, feedback=ErrorFeedback(x.T @ x))
    assert np.abs(linear.weight.astype(np.int64)).sum() <= ROW_L1_TOP


def test_a_massive_token_counts_as_one() -> None:
    moments = SecondMoments()
    values = np.array([[1e6, 0.0], [0.0, 1e-3], [0.0, 0.0]], dtype=np.float32)
    moments(FINAL, "input", values)
    same = ErrorFeedback(np.eye(2)).rounded(np.array([[0.4, 3.3]]))
    assert np.array_equal(moments.of_output().rounded(np.array([[0.4, 3.3]])), same)


def _error(model: IntegerModel) -> float:
    """Of all products of the layers' matrices, on the float model's inputs."""
    total = 0.0
    inputs: dict[tuple[int, str], AnyArray] = {}

    def observe(layer: int, site: str, values: AnyArray) -> None:
        inputs[layer, site] = values.reshape(-1, values.shape[-1])

    FloatModel(CHECKPOINT).hidden(np.array(SEQUENCES), observe)
    for index, layer in enumerate(CHECKPOINT.layers):
        for name in linear_sizes(CHECKPOINT.config.shape):
            site = {"o_proj": "attention_output", "down_proj": "gated"}.get(name)
            place = "attention_input" if name in ("q_proj", "k_proj", "v_proj") else None
            x = inputs[index, site or place or "feed_forward_input"]
            weight = model.tensors[f"layers.{index}.{name}.weight"].astype(np.float64)
            weight = weight * model.tensors[f"layers.{index}.{name}.multiplier"][:, None]
            exact = layer.linear[name]
            scale = np.vdot(weight, exact) / np.vdot(exact, exact)
            wrong = x @ (weight / scale - exact).T
            total += float(np.square(wrong).mean() / np.square(x @ exact.T).mean())
    return total


def test_an_export_with_feedback_is_closer() -> None:
    calibration = calibrate(CHECKPOINT, SEQUENCES)
    told: list[tuple[int, int]] = []
    moments = measure_second_moments(
        CHECKPOINT, SEQUENCES, progress=lambda done, total: told.append((done, total))
    )
    assert told[-1] == (len(SEQUENCES), len(SEQUENCES))
    plain = export_model(CHECKPOINT, calibration)
    fed = export_model(CHECKPOINT, calibration, moments=moments)
    assert fed.parameters == plain.parameters
    assert _error(fed) < 0.9 * _error(plain)
    changed = [
        name for name in plain.tensors if not np.array_equal(plain.tensors[name], fed.tensors[name])
    ]
    assert "lm_head.weight" in changed
    assert all(name.endswith(".weight") for name in changed)
