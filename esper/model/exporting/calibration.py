"""How large the activations of a float model get: measured once, saved as decimal strings.

An export follows from the weights and this file alone, on every machine; only the measuring uses
float sums.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from esper.model.checkpoint import Checkpoint, Floats
from esper.model.errors import (
    CalibrationMismatchError,
    InvalidFieldError,
    MalformedFileError,
    UnwritableFileError,
)
from esper.model.exporting.float_reference import FINAL, FloatModel
from esper.model.files.json_file import read_object

FORMAT = "esper-calibration"
VERSION = 1
LAYER_SITES = (
    "attention_input",
    "query",
    "key",
    "value",
    "attention_update",
    "feed_forward_input",
    "gate",
    "gated",
    "feed_forward_update",
)
"""Where each layer is measured: query and key after the rotary code, updates as they are added."""
FINAL_SITES = ("input",)
"""What is measured after the last layer: the input of the output projection."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Size of the values seen at one site."""

    absmax: float
    """Largest absolute value."""
    mean_abs: float
    """Mean absolute value."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything measured on one checkpoint."""

    checkpoint: str
    """Fingerprint of the weights it was taken on."""
    tokens: int
    """Number of tokens seen."""
    layers: tuple[Mapping[str, Spread], ...]
    """Spread by site of :data:`LAYER_SITES`, one entry a layer."""
    final: Mapping[str, Spread]
    """Spread by site of :data:`FINAL_SITES`."""


class _Measurement:
    """Observer that keeps maximum, sum and count of absolute values by (layer, site)."""

    def __init__(self) -> None:
        self._largest: dict[tuple[int, str], float] = {}
        self._sums: dict[tuple[int, str], list[float]] = {}
        self._counts: dict[tuple[int, str], int] = {}

    def __call__(self, layer: int, site: str, values: Floats) -> None:
        size = np.abs(values)
        key = (layer, site)
        self._largest[key] = max(self._largest.get(key, 0.0), float(size.max()))
        self._sums.setdefault(key, []).append(float(size.sum(dtype=np.float64)))
        self._counts[key] = self._counts.get(key, 0) + size.size

    def spread(self, layer: int, site: str) -> Spread:
        key = (layer, site)
        return Spread(self._largest[key], math.fsum(self._sums[key]) / self._counts[key])


def calibration_sequences(
    tokens: Sequence[int], *, bos: int, vocab: int, length: int, seed: int, salt: int = 13
) -> list[list[int]]:
    """Cut a text into sequences as the chain will see them.

    Every sequence starts with ``bos``; every second one goes on with ``salt`` random ids, as mined
    sequences do.

    Args:
        tokens: the text's token ids, without special tokens.
        bos: token id that starts a sequence.
        vocab: number of token ids to draw the salt from.
        length: tokens of a sequence, at most; the last one may be shorter.
        seed: of the salt.
        salt: random ids in every second sequence.
    """
    if length < salt + 2:
        raise InvalidFieldError("length", length, f"at least {salt + 2} tokens")
    chooser = random.Random(seed)
    sequences: list[list[int]] = []
    position = 0
    while position < len(tokens):
        start = [bos]
        if len(sequences) % 2:
            start += [chooser.randrange(vocab) for _ in range(salt)]
        taken = tokens[position : position + length - len(start)]
        sequences.append([*start, *taken])
        position += len(taken)
    return sequences


def check_sequences(sequences: Sequence[Sequence[int]], *, vocab: int, max_seq: int) -> None:
    """Raise InvalidFieldError if there is none, or one is empty, too long or of unknown ids."""
    if not sequences:
        raise InvalidFieldError("sequences", 0, "at least one sequence of calibration tokens")
    for sequence in sequences:
        if not 0 < len(sequence) <= max_seq or not all(0 <= t < vocab for t in sequence):
            raise InvalidFieldError(
                "sequences", len(sequence), f"1 to {max_seq} ids below {vocab} in each sequence"
            )


def calibrate(
    checkpoint: Checkpoint,
    sequences: Sequence[Sequence[int]],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Calibration:
    """Run the float model over ``sequences`` of token ids and measures every site.

    Args:
        checkpoint: the float model.
        sequences: token ids, at most ``max_seq`` each.
        progress: called with (sequences done, sequences in all) after each batch.

    Raises:
        InvalidFieldError: as :func:`check_sequences`.
    """
    shape = checkpoint.config.shape
    check_sequences(sequences, vocab=shape.vocab, max_seq=shape.max_seq)
    model = FloatModel(checkpoint)
    measurement = _Measurement()
    done = 0
    for batch in batches(sequences):
        model.logits(np.array(batch, dtype=np.int64), measurement)
        done += len(batch)
        if progress is not None:
            progress(done, len(sequences))
    return Calibration(
        checkpoint=checkpoint.fingerprint(),
        tokens=sum(len(sequence) for sequence in sequences),
        layers=tuple(
            {site: measurement.spread(layer, site) for site in LAYER_SITES}
            for layer in range(shape.layers)
        ),
        final={site: measurement.spread(FINAL, site) for site in FINAL_SITES},
    )


def batches(
    sequences: Sequence[Sequence[int]], tokens_per_batch: int = 2048
) -> list[list[Sequence[int]]]:
    """Neighbours of equal length together, so that no padding is measured."""
    found: list[list[Sequence[int]]] = []
    for sequence in sequences:
        last = found[-1] if found else []
        fits = (
            bool(last)
            and len(last[0]) == len(sequence)
            and (len(last) + 1) * len(sequence) <= tokens_per_batch
        )
        if fits:
            last.append(sequence)
        else:
            found.append([sequence])
    return found


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Write ``calibration`` as JSON; equal calibrations give equal bytes."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "checkpoint": calibration.checkpoint,
        "tokens": calibration.tokens,
        "layers": [_spreads_to_json(sites) for sites in calibration.layers],
        "final": _spreads_to_json(calibration.final),
    }
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnwritableFileError(path, error) from error


def _spreads_to_json(sites: Mapping[str, Spread]) -> dict[str, dict[str, str]]:
    return {
        site: {"absmax": f"{spread.absmax:.9e}", "mean_abs": f"{spread.mean_abs:.9e}"}
        for site, spread in sites.items()
    }


def load_calibration(path: Path, checkpoint: Checkpoint) -> Calibration:
    """Read a calibration saved for ``checkpoint``.

    Raises:
        MissingFileError, MalformedFileError, InvalidFieldError: the file is absent, broken or
            incomplete.
        CalibrationMismatchError: it was taken on other weights.
    """
    content = read_object(path, "calibrate with --text FILE")
    if content.get("format") != FORMAT:
        raise MalformedFileError(path, f"'format' is not {FORMAT!r}")
    if content.get("version") != VERSION:
        raise InvalidFieldError("version", content.get("version"), str(VERSION))
    expected = checkpoint.fingerprint()
    if content.get("checkpoint") != expected:
        raise CalibrationMismatchError(str(content.get("checkpoint")), expected)
    layers = content.get("layers")
    count = checkpoint.config.shape.layers
    if not isinstance(layers, list) or len(layers) != count:
        raise MalformedFileError(path, f"'layers' is not a list of {count} entries")
    tokens = content.get("tokens")
    if type(tokens) is not int or tokens < 1:
        raise InvalidFieldError("tokens", tokens, "a positive integer")
    return Calibration(
        checkpoint=expected,
        tokens=tokens,
        layers=tuple(
            _spreads_from_json(f"layers[{index}]", sites, LAYER_SITES)
            for index, sites in enumerate(layers)
        ),
        final=_spreads_from_json("final", content.get("final"), FINAL_SITES),
    )


def _spreads_from_json(where: str, value: Any, sites: Sequence[str]) -> dict[str, Spread]:
    spreads = {}
    for site in sites:
        entry = value.get(site) if isinstance(value, dict) else None
        numbers = []
        for name in ("absmax", "mean_abs"):
            text = entry.get(name) if isinstance(entry, dict) else None
            numbers.append(_decimal(f"{where}.{site}.{name}", text))
        spreads[site] = Spread(*numbers)
    return spreads


def _decimal(field: str, text: Any) -> float:
    try:
        number = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InvalidFieldError(field, text, "a decimal string, finite and not negative")
    return number
