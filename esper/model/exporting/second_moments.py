"""How the inputs of every matrix go together, measured with the float model.

Each token counts the same: its input is scaled to unit norm, or the one token with a massive
activation would be all that is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from esper.model.checkpoint import Checkpoint, Floats
from esper.model.exporting.calibration import batches, check_sequences
from esper.model.exporting.feedback_rounding import ErrorFeedback
from esper.model.exporting.float_reference import FINAL, FloatModel

_INPUT_OF: Final[Mapping[str, str]] = {
    "q_proj": "attention_input",
    "k_proj": "attention_input",
    "v_proj": "attention_input",
    "o_proj": "attention_output",
    "gate_proj": "feed_forward_input",
    "up_proj": "feed_forward_input",
    "down_proj": "gated",
}
_SITES: Final = frozenset(_INPUT_OF.values())
_FINAL_SITE: Final = "input"


class SecondMoments:
    """Sums of x xᵀ by place. Made by :func:`measure_second_moments`."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, str], Floats] = {}

    def __call__(self, layer: int, site: str, values: Floats) -> None:
        """Take in the values of one place, for a whole batch."""
        if site not in _SITES and layer != FINAL:
            return
        rows = values.reshape(-1, values.shape[-1])
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        scaled = rows / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]
        product = scaled.T @ scaled
        before = self._sums.get((layer, site))
        self._sums[layer, site] = product if before is None else before + product

    def of_layer(self, layer: int) -> dict[str, ErrorFeedback]:
        """Feedback for the projections of a layer, by their names."""
        made = {site: ErrorFeedback(self._sums[layer, site]) for site in sorted(_SITES)}
        return {name: made[site] for name, site in _INPUT_OF.items()}

    def of_output(self) -> ErrorFeedback:
        """Feedback for the output projection."""
        return ErrorFeedback(self._sums[FINAL, _FINAL_SITE])


def measure_second_moments(
    checkpoint: Checkpoint,
    sequences: Sequence[Sequence[int]],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> SecondMoments:
    """Run the float model over ``sequences``, as :func:`.calibration.calibrate` does."""
    shape = checkpoint.config.shape
    check_sequences(sequences, vocab=shape.vocab, max_seq=shape.max_seq)
    model, moments, done = FloatModel(checkpoint), SecondMoments(), 0
    for batch in batches(sequences):
        model.hidden(np.array(batch, dtype=np.int64), moments)
        done += len(batch)
        if progress is not None:
            progress(done, len(sequences))
    return moments
