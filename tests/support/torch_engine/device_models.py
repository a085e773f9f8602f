"""Models on a device for tests, and what a whole sequence gives there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from esper.model.g16_parameters import INTEGERS_FILE, read_parameters
from esper.model.safetensors_file import TensorFile
from esper.model.torch_engine.forward import Cache, Forward
from esper.model.torch_engine.halves import in_int32
from esper.model.torch_engine.weights import DeviceModel, bring

torch.set_num_threads(1)  # the others would only wait for each other
ROWS = 32
"""Of a step."""


def device_model(
    folder: Path, product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = in_int32
) -> DeviceModel:
    """A folder's model on the processor."""
    return bring(read_parameters(folder), TensorFile(folder / INTEGERS_FILE), "cpu", product)


def logits_of(
    model: DeviceModel, sequences: Sequence[Sequence[int]], portion: int = ROWS
) -> list[npt.NDArray[np.int64]]:
    """Logits of every position of sequences that run side by side.

    Each step takes up to ``portion`` rows in the order of position, so that sequences mix; the
    rows that are left of ``ROWS`` belong to nobody.
    """
    forward = Forward(model, Cache(model, len(sequences), max(map(len, sequences))))
    rows = [
        (position, slot, tokens[position])
        for slot, tokens in enumerate(sequences)
        for position in range(len(tokens))
    ]
    found = [np.zeros((len(tokens), model.shape.vocab), np.int64) for tokens in sequences]
    rows.sort()
    for start in range(0, len(rows), portion):
        step = rows[start : start + portion]
        spare = [(0, len(sequences), 0)] * (ROWS - len(step))
        positions, slots, tokens = torch.tensor([*step, *spare]).T
        logits = forward.logits(forward.run(tokens, slots, positions)).numpy()
        for (position, slot, _), row in zip(step, logits, strict=False):
            found[slot][position] = row
    return found
