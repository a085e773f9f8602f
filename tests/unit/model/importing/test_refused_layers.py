"""What cannot be bounded is refused before anything is written, by layer and number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from esper.model.checkpoint import Checkpoint
from esper.model.errors import ModelError
from esper.model.exporting.calibration import Spread, calibrate, save_calibration
from esper.model.exporting.publish import publish
from esper.model.safetensors_file import AnyArray
from tests.spec.random_checkpoint import (
    config_fields,
    named_tensors,
    random_checkpoint,
    write_tokenizer,
)
from tests.support.checkpoint_folders import write_in_parts

TEXT = "".join(chr(ord("a") + n * n % 26) for n in range(400))
PLAIN = random_checkpoint(21)


def _written(folder: Path, checkpoint: Checkpoint) -> None:
    tensors = {name: (array, "F32") for name, array in named_tensors(checkpoint).items()}
    write_in_parts(folder, tensors, 2)
    (folder / "config.json").write_text(json.dumps(config_fields(checkpoint)))
    (folder / "text").write_text(TEXT)
    write_tokenizer(folder, 40)


def _published(folder: Path, checkpoint: Checkpoint) -> None:
    _written(folder, checkpoint)
    publish(folder, folder / "out", text_file=folder / "text")


def _times(factor: float, *names: str) -> Checkpoint:
    """The checkpoint with matrices of layer 1 that many times as large."""

    def scaled(name: str, weight: AnyArray) -> AnyArray:
        return weight * np.float32(factor) if name in names else weight

    layer = PLAIN.layers[1]
    linear = {name: scaled(name, weight) for name, weight in layer.linear.items()}
    return replace(PLAIN, layers=(PLAIN.layers[0], replace(layer, linear=linear)))


@pytest.mark.parametrize(
    ("checkpoint", "words"),
    [
        (_times(1e7, "v_proj"), r"layer 1 up to [0-9,]{8,}, layer 0 up to "),
        (_times(1e7, "up_proj"), r"layer 1 up to [0-9,]{8,}, layer 0 up to "),
        (_times(1e5, "q_proj", "k_proj"), r"layer 1: score_shift would have to be 0, admitted"),
    ],
)
def test_a_layer_out_of_bounds_is_named_with_its_number(
    tmp_path: Path, checkpoint: Checkpoint, words: str
) -> None:
    with pytest.raises(ModelError, match=words) as refusal:
        _published(tmp_path, checkpoint)
    assert str(refusal.value).isprintable()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("site", "absmax", "words"),
    [
        ("gated", 1e-7, r"layer 1 up_proj: a row multiplier would have to be [0-9]{10,}, admitted"),
        ("gated", 1e-4, r"layer 1: bound 'silu \* A_up' reaches [0-9]+ \([0-9]+ bits\), "),
        ("query", 1e9, r"layer 1: score_shift would have to be 0, admitted is 1 to 16"),
        ("feed_forward_update", 9e6, r"layer 1 up to 9,000,000, .*needs [0-9]+ bits"),
    ],
)
def test_a_calibration_that_leaves_no_bound_is_told_layer_and_number(
    tmp_path: Path, site: str, absmax: float, words: str
) -> None:
    _written(tmp_path, PLAIN)
    measured = calibrate(PLAIN, [[1, *range(3, 29)]])
    layer = {**measured.layers[1], site: Spread(absmax, absmax / 2)}
    calibration = replace(measured, layers=(measured.layers[0], layer))
    save_calibration(tmp_path / "calibration.json", calibration)
    with pytest.raises(ModelError, match=words):
        publish(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_without_them_is_exported(tmp_path: Path) -> None:
    _published(tmp_path, PLAIN)
    assert (tmp_path / "out" / "g16.safetensors").exists()
