"""The models, statements and proofs that are kept as golden files, and where they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from esper.model import load_model
from esper.model.config import Shape
from esper.prover import Statement, prove
from tests.support.second_verifier import LOUD, random_model

FOLDER = Path(__file__).parents[1] / "vectors" / "proofs"
INDEX = FOLDER / "golden.json"
GENESIS = Path(__file__).parents[2] / "genesis" / "model"
BINDING = bytes(range(64))

Made = tuple[Statement, bytes]


def _smallest(folder: Path) -> Made:
    """Two rows, one answer, every logit listed."""
    shape = Shape(3, dim=1, hidden=1, layers=1, heads=1, kv_heads=1, head_dim=2, max_seq=2)
    model = random_model(folder, 5, shape=shape, score_shift=1)
    return prove(model, [[1]], max_answer=1, binding=BINDING, top_k=3)


def _every_mode(folder: Path) -> Made:
    """All clamps, wide updates, wide z, two limbs of overflow."""
    model = random_model(folder, 3, bits=(12, 20, 18), louder=LOUD, z_bits=(18,))
    return prove(model, [[1, 5, 9], [3, 4]], max_answer=3, binding=BINDING)


def _some_modes(folder: Path) -> Made:
    """Three sequences of different limits, rounded up to four; two widths of z."""
    louder = {"gate_proj": 30, "up_proj": 40}
    model = random_model(folder, 12, bits=(16, 16, 20), louder=louder, z_bits=(18, 16))
    return prove(model, [[1, 5, 9], [3, 4], [7] * 5], max_answer=(3, 1, 2), binding=BINDING)


def _genesis(_folder: Path) -> Made:
    """The model of the chain's first block, no mode on."""
    model = load_model(GENESIS)
    return prove(model, [model.encode("Once upon a time")], max_answer=8, binding=BINDING)


CASES: dict[str, Callable[[Path], Made]] = {
    "smallest": _smallest,
    "every_mode": _every_mode,
    "some_modes": _some_modes,
    "genesis": _genesis,
}
"""What is proven, by the name of its file."""

BY_HAND = ("smollm2",)
"""Files whose model is too large for a test: `esper prove models/smollm2 --chat`, 64 rows, a model
of 2^28 cells at rate 1/2. Another proof of it is as good: the writer keeps what is there."""
