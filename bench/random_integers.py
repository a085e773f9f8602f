"""An integer model of the 0.36B shape with random weights: for the size and memory of its proofs.

    python -m bench.random_integers FOLDER

Weights are random bytes of NumPy's generator, so that they are there in seconds; what a proof takes
does not depend on them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from esper.model.config import Shape
from esper.model.g16_format import write_integer_model
from esper.model.g16_parameters import INTEGERS_FILE
from tests.spec.random_checkpoint import write_tokenizer
from tests.spec.synthetic_model import SplitMix, synthetic_model

SHAPE_360M = Shape(
    vocab=49152, dim=960, hidden=2560, layers=32, heads=15, kv_heads=5, head_dim=64, max_seq=2048
)
"""That of SmolLM2-360M."""
SEED = 3


class Quick(SplitMix):
    """Long lists come from NumPy."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._quick = np.random.default_rng(seed)

    def list(self, count: int, lowest: int, highest: int) -> list[int]:
        """``count`` integers from ``lowest`` to ``highest``."""
        if count < 1 << 16:
            return super().list(count, lowest, highest)
        kind = np.int8 if highest < 128 else np.int32
        return self._quick.integers(lowest, highest, count, kind, endpoint=True)  # type: ignore[return-value]


def write_random_integers(folder: Path, shape: Shape) -> None:
    """Write `g16.safetensors` and `tokenizer.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    model = synthetic_model(SEED, shape, gate_bits=12, o_bits=20, down_bits=20, source=Quick)
    write_integer_model(folder / INTEGERS_FILE, model)
    write_tokenizer(folder, shape.vocab)


if __name__ == "__main__":
    write_random_integers(Path(sys.argv[1]), SHAPE_360M)
