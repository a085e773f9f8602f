"""Calibration with the native float engine: the same measurements as NumPy's, many times faster."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from esper.model.checkpoint import Checkpoint
from esper.model.config import LlamaConfig
from esper.model.errors import ModelError, NativeUnavailableError
from esper.model.exporting.calibration import (
    FINAL_SITES,
    LAYER_SITES,
    Calibration,
    Spread,
    check_sequences,
)
from esper.model.importing.weight_files import weight_files

if TYPE_CHECKING:
    from esper._native import FloatCalibration, FloatSpread

_SEQUENCES_PER_BATCH = 8


def calibrate_natively(
    directory: Path,
    checkpoint: Checkpoint,
    sequences: Sequence[Sequence[int]],
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Run the native float engine on the weights in ``directory`` and measure every site.

    Args:
        directory: where the weights of ``checkpoint`` were read from.
        checkpoint: the same weights, for their fingerprint.
        sequences: token ids, at most ``max_seq`` each.
        threads: of the engine.
        progress: called with (sequences done, sequences in all) after each batch.

    Raises:
        InvalidFieldError: as :func:`~esper.model.exporting.calibration.check_sequences`.
        NativeUnavailableError: the extension is not built, or lacks the model's rotary code.
        ModelError: the engine refuses the weights.
    """
    try:
        from esper._native import NativeFloatModel
    except ImportError as error:
        raise NativeUnavailableError(str(error)) from error
    shape, told = checkpoint.config.shape, native_config(checkpoint.config)
    check_sequences(sequences, vocab=shape.vocab, max_seq=shape.max_seq)
    try:
        model = NativeFloatModel.load(weight_files(directory), threads, *told)
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"{directory}: {error}") from error
    parts: list[FloatCalibration] = []
    for start in range(0, len(sequences), _SEQUENCES_PER_BATCH):
        batch = sequences[start : start + _SEQUENCES_PER_BATCH]
        parts.append(model.calibrate([list(sequence) for sequence in batch]))
        if progress is not None:
            progress(min(start + _SEQUENCES_PER_BATCH, len(sequences)), len(sequences))
    tokens = [part["tokens"] for part in parts]

    def joined(spreads: Sequence[FloatSpread]) -> Spread:
        # Every token has as many values at a site, so means weigh by tokens.
        total = math.fsum(s["mean_abs"] * n for s, n in zip(spreads, tokens, strict=True))
        return Spread(max(s["absmax"] for s in spreads), total / sum(tokens))

    return Calibration(
        checkpoint=checkpoint.fingerprint(),
        tokens=sum(tokens),
        layers=tuple(
            {site: joined([part["layers"][layer][site] for part in parts]) for site in LAYER_SITES}
            for layer in range(shape.layers)
        ),
        final=dict.fromkeys(FINAL_SITES, joined([part["final_input"] for part in parts])),
    )


def native_config(config: LlamaConfig) -> tuple[list[int], tuple[float, float, bool]]:
    """What the native float engine is told of ``config.json``, which it does not read itself.

    Raises NativeUnavailableError for a scaled rotary code, which it does not have.
    """
    if config.rope_scaling is not None:
        raise NativeUnavailableError(
            f"its float model has the plain rotary code alone, not {config.rope_scaling}"
        )
    sizes = [getattr(config.shape, name) for name in config.shape.__slots__]
    return sizes, (config.norm_eps, config.rope_theta, config.tied)
