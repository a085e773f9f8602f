"""Seconds of a processor that a proof takes, from its shape: user time of one reference core.

Each stage of the prover is a sum of what it handles (cells, leaves, butterflies, weights) times
nanoseconds. The nanoseconds were fitted to proofs of 260 thousand and 15 million weights alone, on
two cores of an AMD EPYC with AVX-512, so that every larger model is a prediction:
``docs/decisions/planning.md`` has the method, ``bench/plan_check.py`` the comparison.

System time is apart: it is nearly all the clearing of pages, of which the host decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from esper.model.config import Shape
from esper.planning.cells import (
    USUAL,
    Modes,
    Rows,
    Segment,
    cells_of,
    model_weights,
)
from esper.planning.commitments import Committed, committed

NS: Final = 1e-9
MS: Final = 1e-3

WITNESS_CELL: Final = 9.885 * NS
WITNESS_WEIGHT: Final = 3.22 * NS
WITNESS_PRODUCT: Final = 0.05085 * NS
"""Of a weight and a row: the witness is what the model computes."""
WITNESS_ONCE: Final = 2.474 * MS
COMMIT_BUTTERFLY: Final = 1.304 * NS
COMMIT_BYTE: Final = 0.2317 * NS
"""Hashed."""
LEAF: Final = 4.316 * NS
FRACTION_LEAF: Final = 113.3 * NS
FRACTION_ONCE: Final = 8.898 * MS
LINEAR_CELL: Final = 3.057 * NS
LINEAR_WEIGHT: Final = 4.407 * NS
PRODUCTS_CELL: Final = 20.27 * NS
PRODUCTS_PRODUCT: Final = 0.04464 * NS
CONTRACTION_CELL: Final = 1.461 * NS
CONTRACTION_WEIGHT: Final = 5.328 * NS
CLAIMS_CELL: Final = 9.211 * NS
CLAIMS_COLUMN: Final = 503.3 * NS
CLAIMS_ONCE: Final = 0.75 * MS
MODEL_CLAIMS_CELL: Final = 6.271 * NS
MODEL_CLAIMS_ONCE: Final = 8.203 * MS
OPENING_VALUE: Final = 22.99 * NS
"""Of the whole polynomial, with the values that are 0 by definition."""
OPENING_BUTTERFLY: Final = 1.451 * NS
OPENING_TRIAL: Final = 16.0 * NS
"""Of the search for the work that makes up for bits that no query gives."""
KEY_BUTTERFLY: Final = 1.137 * NS
KEY_CELL: Final = 19.4 * NS
LOAD_INTEGER: Final = 20.34 * NS
LOAD_INTEGER_IN_PARTS: Final = 40.61 * NS
"""The model is loaded, and each part reads its own layers again."""
ANSWER_WEIGHT: Final = 0.01263 * NS
"""Of a weight and an answer token."""
PROMPT_WEIGHT: Final = 0.03479 * NS
"""Of a weight of the layers and a row."""
ANSWER_WEIGHT_IN_PARTS: Final = 0.1975 * NS
"""Answer and the residuals between parts."""
EMBEDDING_VALUE_IN_PARTS: Final = 2 * 41 * NS
"""Its tree, made to name the first part and to prove it."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """User seconds of one reference core for a proof."""

    load: float
    """Until the model is in memory."""
    answer: float
    """Until the model has answered."""
    keys: float
    """Commitments to the model: once for all proofs of a process, but for parts in every one."""
    parts: tuple[float, ...]
    """The proofs of the parts, without their keys."""
    part_keys: tuple[float, ...]
    """Commitments to the layers of each part, made once."""

    @property
    def proving(self) -> float:
        """All parts."""
        return sum(self.parts)

    @property
    def cold(self) -> float:
        """From the start of a process to its first proof."""
        return self.load + self.answer + self.keys + self.proving

    @property
    def warm(self) -> float:
        """A further proof of the same process: of parts nothing is kept but the loaded model."""
        kept = self.keys if len(self.parts) == 1 else 0.0
        return self.cold - self.load - kept


def seconds_of(
    shape: Shape, segments: Sequence[Segment], rows: Rows, modes: Modes = USUAL
) -> Seconds:
    """What a proof of these segments takes."""
    count = len(segments)
    weights, embedding = model_weights(shape), shape.vocab * shape.dim
    keys = tuple(_key(shape, one, rows, modes, count) for one in segments)
    parts = tuple(
        sum(seconds for _, seconds in stages(shape, one, rows, modes, parts=count))
        for one in segments
    )
    if count == 1:
        layer_weights = weights - embedding
        return Seconds(
            load=LOAD_INTEGER * (weights + embedding),
            answer=ANSWER_WEIGHT * weights * rows.answers
            + PROMPT_WEIGHT * layer_weights * rows.committed,
            keys=keys[0],
            parts=parts,
            part_keys=keys,
        )
    return Seconds(
        load=LOAD_INTEGER_IN_PARTS * (weights + embedding),
        answer=ANSWER_WEIGHT_IN_PARTS * weights * rows.answers,
        # Made to name the parts and again to prove them, but for the last, which is proven first.
        keys=2 * sum(keys) - keys[-1] + EMBEDDING_VALUE_IN_PARTS * embedding,
        parts=parts,
        part_keys=keys,
    )


def stages(
    shape: Shape, segment: Segment, rows: Rows, modes: Modes = USUAL, *, parts: int = 1
) -> Iterator[tuple[str, float]]:
    """The prover's stages of a segment, by its own names, and user seconds of each."""
    cells = cells_of(shape, segment, rows, modes)
    weights = model_weights(shape, segment)
    layer_weights = weights - (shape.vocab * shape.dim if segment.has_head else 0)
    height = rows.committed
    witness, model = committed(cells.witness, parts), committed(cells.model, parts)
    word = next(witness.codewords())
    yield (
        "witness",
        WITNESS_CELL * cells.witness
        + (WITNESS_WEIGHT + WITNESS_PRODUCT * height) * weights
        + WITNESS_ONCE,
    )
    yield "commitment", COMMIT_BUTTERFLY * word.butterflies + COMMIT_BYTE * word.bytes
    yield "leaves", LEAF * cells.leaves
    yield "fractional sum", FRACTION_LEAF * cells.leaves + FRACTION_ONCE
    yield "linear stage", LINEAR_CELL * cells.witness + LINEAR_WEIGHT * cells.model
    yield "products", PRODUCTS_CELL * cells.witness + PRODUCTS_PRODUCT * layer_weights * height
    yield "contraction", CONTRACTION_CELL * cells.witness + CONTRACTION_WEIGHT * cells.model
    columns = cells.witness / height
    yield "witness claims", CLAIMS_CELL * cells.witness + CLAIMS_COLUMN * columns + CLAIMS_ONCE
    yield "model claims", MODEL_CLAIMS_CELL * cells.model + MODEL_CLAIMS_ONCE
    yield "witness opening", _opening(witness)
    yield "model opening", _opening(model)


def _opening(of: Committed) -> float:
    _, *later = of.codewords()
    return (
        OPENING_VALUE * (1 << of.variables)
        + OPENING_BUTTERFLY * sum(word.butterflies for word in later)
        + OPENING_TRIAL * sum(1 << word.work_bits for word in of.codewords())
    )


def _key(shape: Shape, segment: Segment, rows: Rows, modes: Modes, parts: int) -> float:
    cells = cells_of(shape, segment, rows, modes).model
    word = next(committed(cells, parts).codewords())
    return KEY_BUTTERFLY * word.butterflies + KEY_CELL * cells
