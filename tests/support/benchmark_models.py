"""Tiny random models whose tokens are letters, to be asked and to judge."""

from __future__ import annotations

from pathlib import Path

from esper.model.exporting.calibration import calibrate
from esper.model.exporting.export import ExportOptions, export_model
from esper.model.g16_format import write_integer_model
from tests.spec.random_checkpoint import random_checkpoint, write_tokenizer

SEQUENCE = [1, 5, 9, 30, 39, 12, 12, 4, 28]
VOCAB = 40


def letter_model(folder: Path, seed: int) -> Path:
    """A model of the shape ``SMALL``: 64 positions, ids 3 to 28 are a to z."""
    folder.mkdir(parents=True)
    checkpoint = random_checkpoint(seed)
    model = export_model(checkpoint, calibrate(checkpoint, [SEQUENCE]), ExportOptions(gate_bits=12))
    write_integer_model(folder / "g16.safetensors", model)
    write_tokenizer(folder, VOCAB)
    return folder
