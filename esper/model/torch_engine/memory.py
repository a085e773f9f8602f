"""What a model takes on a device, told before it is brought there."""

from dataclasses import dataclass
from typing import Final

from esper.model.checkpoint import linear_sizes
from esper.model.g16_parameters import Parameters
from esper.model.torch_engine.errors import DeviceMemoryError
from esper.model.torch_engine.schedule import slots_for

LEAST_ROWS: Final = 32
"""The smallest batch that is worth a device."""
OVERHEAD: Final = 2 << 30
"""Context, libraries, the workspace of products, and one portion of attention."""
WIDE: Final = 8
"""Bytes of an int64."""
COPIES: Final = 4
"""Copies of a step's largest values that are in memory at once, unfused as the operations are."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes on a device, each an upper bound but ``overhead``."""

    weights: int
    """Matrices, embedding and tables."""
    cache: int
    """Keys and values."""
    step: int
    """Values of one step."""
    overhead: int = OVERHEAD

    @property
    def total(self) -> int:
        """Their sum."""
        return self.weights + self.cache + self.step + self.overhead


def estimate(parameters: Parameters, rows: int, prompt: int, answer: int) -> Estimate:
    """What an engine takes.

    Args:
        parameters: of the model.
        rows: of a step.
        prompt: tokens of a prompt.
        answer: tokens of an answer, at most.
    """
    shape = parameters.shape
    sizes = list(linear_sizes(shape).values())
    matrices = shape.layers * sum(_matrix(*size) for size in sizes)
    matrices += _matrix(shape.vocab, shape.dim)
    silu = sum(WIDE << layer.gate_bits for layer in parameters.layers)
    tables = 2 * WIDE * (shape.max_seq * shape.head_dim // 2 + 4096) + silu
    embed = 4 * shape.vocab * shape.dim
    # The known-answer test of products brings the largest matrix a second time.
    largest = max(_matrix(2 * shape.hidden, shape.dim), _matrix(shape.vocab, shape.dim))
    positions = (slots_for(rows, prompt, answer) + 1) * (prompt + answer - 1)
    cache = 4 * shape.layers * positions * shape.kv_heads * shape.head_dim
    widest = max(2 * shape.hidden, shape.vocab, 3 * shape.heads * shape.head_dim)
    step = COPIES * WIDE * rows * widest
    return Estimate(matrices + embed + tables + largest, cache, step)


def _matrix(outputs: int, inputs: int) -> int:
    """Bytes of one with its multipliers and offsets, and room for padding."""
    return (outputs + 15) * (inputs + 15) + 2 * WIDE * outputs


def rows_that_fit(
    parameters: Parameters, prompt: int, answer: int, *, most: int, free: int, device: str
) -> int:
    """The largest batch, ``most`` or a half, a quarter and so on of it, that fits in ``free``.

    Raises:
        DeviceMemoryError: not even ``LEAST_ROWS`` do.
    """
    rows = max(most, LEAST_ROWS)
    while (needed := estimate(parameters, rows, prompt, answer).total) > free:
        if rows // 2 < LEAST_ROWS:
            raise DeviceMemoryError(device, needed, free, rows)
        rows //= 2
    return rows
