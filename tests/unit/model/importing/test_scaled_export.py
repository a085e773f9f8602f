"""A folder with a scaled rotary code, exported as ``esper model export`` does it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from esper.model.checkpoint import load_checkpoint
from esper.model.config import Shape, parse_config
from esper.model.errors import NativeUnavailableError
from esper.model.exporting.calibration import calibrate, save_calibration
from esper.model.exporting.native_calibration import calibrate_natively, native_config
from esper.model.exporting.publish import calibrate_on, publish
from esper.model.g16_format import read_integer_model
from esper.model.rotary import Llama3Scaling
from esper.model.tables import rope_tables
from tests.spec.random_checkpoint import (
    config_fields,
    named_tensors,
    random_checkpoint,
    write_tokenizer,
)
from tests.support.checkpoint_folders import write_in_parts

SHAPE = Shape(40, 16, 24, layers=2, heads=2, kv_heads=1, head_dim=16, max_seq=64)
SCALING = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
TEXT = "".join(chr(ord("a") + n * n % 26) for n in range(400))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint in two parts of bfloat16."""
    checkpoint = random_checkpoint(9, SHAPE)
    tensors = {name: (array, "BF16") for name, array in named_tensors(checkpoint).items()}
    write_in_parts(tmp_path, tensors, 2)
    (tmp_path / "config.json").write_text(
        json.dumps({**config_fields(checkpoint), "rope_scaling": SCALING})
    )
    write_tokenizer(tmp_path, 40)
    return tmp_path


def test_the_export_holds_the_scaled_tables(folder: Path) -> None:
    (folder / "text").write_text(TEXT)
    published = publish(folder, folder / "out", text_file=folder / "text")
    assert published.quality is not None
    assert published.quality.integer_bits_per_byte == pytest.approx(
        published.quality.float_bits_per_byte, rel=0.02
    )
    tensors = read_integer_model(folder / "out").tensors
    wanted = rope_tables(10000.0, 16, 64, Llama3Scaling(4.0, 1.0, 4.0, 32))
    assert np.array_equal(tensors["rope_cos"], wanted[0])
    assert np.array_equal(tensors["rope_sin"], wanted[1])
    assert not np.array_equal(wanted[0], rope_tables(10000.0, 16, 64)[0])


def test_it_is_calibrated_with_its_own_code(folder: Path, tmp_path: Path) -> None:
    """The native float engine has the plain code alone: what it measured would be another model."""
    checkpoint = load_checkpoint(folder)
    with pytest.raises(NativeUnavailableError, match=r"plain rotary code alone.*Llama3Scaling"):
        calibrate_natively(folder, checkpoint, [[1, 5, 6]])
    with pytest.raises(NativeUnavailableError):
        native_config(checkpoint.config)
    got = calibrate_on(folder, TEXT, lambda *_: None)
    assert got.checkpoint == checkpoint.fingerprint()
    plain = parse_config(config_fields(random_checkpoint(9, SHAPE)))
    assert native_config(plain)[1] == (1e-5, 10000.0, True)


def test_the_same_calibration_gives_the_same_bytes(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    save_calibration(folder / "calibration.json", calibrate(checkpoint, [[1, *range(3, 29)]]))
    for name in ("a", "b"):
        publish(folder, folder / name)
    assert (folder / "a" / "g16.safetensors").read_bytes() == (
        folder / "b" / "g16.safetensors"
    ).read_bytes()
