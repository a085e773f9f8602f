"""From a Hugging Face directory to a directory that nodes can load, with a report of what it cost.

The steps: take calibration from a file or measure it on a text, export, write, copy the tokenizer
and the configuration, and where a text is given compare both models on a part kept aside.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from esper.model.bounds import check_bounds
from esper.model.calibration import (
    Calibration,
    calibrate,
    calibration_sequences,
    load_calibration,
    save_calibration,
)
from esper.model.checkpoint import Checkpoint, load_checkpoint
from esper.model.errors import InvalidFieldError, MissingFileError, NativeUnavailableError
from esper.model.evaluation import bits_per_byte, surprise
from esper.model.export import ExportOptions, export_model
from esper.model.float_reference import FloatModel
from esper.model.g16_format import INTEGERS_FILE, IntegerModel, write_integer_model
from esper.model.integers_hash import integers_hash
from esper.model.loaded import load_model
from esper.model.native_calibration import calibrate_natively
from esper.model.tokenizer import TOKENIZER_FILE, encode_text, load_tokenizer

CALIBRATION_FILE = "calibration.json"
_COPIED_FILES = ("config.json", TOKENIZER_FILE, "tokenizer_config.json", "LICENSE")
_CALIBRATION_TOKENS = 16_384
_EVALUATION_TOKENS = 8_192
_SEQUENCE_TOKENS = 256
_HELD_OUT_SHARE = 10
"""One part in this many of the text, its end, is kept out of calibration for the comparison."""
_SALT_SEED = 1

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Both models on the part of the text that calibration did not see."""

    text_bytes: int
    """UTF-8 bytes of that part."""
    float_bits_per_byte: float
    """Surprise of the float model."""
    integer_bits_per_byte: float | None
    """Surprise of the exported model; None where the native engine is not built."""


@dataclass(frozen=True, slots=True)
class Published:
    """What an export wrote."""

    model: IntegerModel
    """The integers."""
    integers_hash: bytes
    """64 bytes that name them."""
    largest_bound: tuple[str, str, int]
    """Site, name and bits of the largest product any input can reach."""
    quality: Quality | None
    """None where no text was given."""


def publish(
    source: Path,
    target: Path,
    *,
    calibration_file: Path | None = None,
    text_file: Path | None = None,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> Published:
    """Export the checkpoint in ``source`` to ``target``, which may be the same directory.

    Args:
        source: Hugging Face directory: config.json, model.safetensors, tokenizer.json.
        target: directory to write; made where absent.
        calibration_file: a saved calibration; ``calibration.json`` in ``source`` when neither this
            nor a text is given.
        text_file: UTF-8 text to calibrate on, unless a calibration is given, and to compare on.
        options: choices left to the publisher.
        progress: told how far the long steps are.

    Raises:
        ModelError: one of its subclasses says which file, field, tensor or bound is at fault.
    """
    report = progress or _report_nothing
    report("reading the checkpoint", 0, 1)
    checkpoint = load_checkpoint(source)
    tokenizer = load_tokenizer(source, checkpoint.config.shape.vocab)
    text = _read_text(text_file) if text_file is not None else None
    cut = len(text) - len(text) // _HELD_OUT_SHARE if text is not None else 0
    calibration = _calibration(
        source, calibration_file, checkpoint, tokenizer, text and text[:cut], report
    )
    report("rounding to integers", 0, 1)
    model = export_model(checkpoint, calibration, options)
    target.mkdir(parents=True, exist_ok=True)
    write_integer_model(target / INTEGERS_FILE, model)
    save_calibration(target / CALIBRATION_FILE, calibration)
    for name in _COPIED_FILES:
        if (source / name).is_file() and source.resolve() != target.resolve():
            shutil.copyfile(source / name, target / name)
    quality = None
    if text is not None:
        quality = _compare(checkpoint, tokenizer, model, target, text[cut:], report)
    products = [b for b in check_bounds(model) if b.name.endswith((" A", "A_up", "rotary", "gain"))]
    widest = max(products, key=lambda bound: bound.value)
    return Published(
        model=model,
        integers_hash=integers_hash(model),
        largest_bound=(widest.site, widest.name, widest.value.bit_length()),
        quality=quality,
    )


def _report_nothing(step: str, done: int, total: int) -> None:
    """Report to nobody."""


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise MissingFileError(path, "give a readable text file") from error
    except UnicodeDecodeError as error:
        raise InvalidFieldError("text", str(error), "UTF-8") from error


def _calibration(
    source: Path,
    calibration_file: Path | None,
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    text: str | None,
    report: Progress,
) -> Calibration:
    if calibration_file is not None or text is None:
        return load_calibration(calibration_file or source / CALIBRATION_FILE, checkpoint)
    config = checkpoint.config
    tokens = encode_text(tokenizer, text)[:_CALIBRATION_TOKENS]
    if not tokens:
        raise InvalidFieldError("text", "empty", "a text to calibrate on")
    sequences = calibration_sequences(
        tokens,
        bos=config.bos,
        vocab=config.shape.vocab,
        length=min(_SEQUENCE_TOKENS, config.shape.max_seq),
        seed=_SALT_SEED,
    )

    def progress(done: int, total: int) -> None:
        report("calibrating", done, total)

    try:
        return calibrate_natively(source, checkpoint, sequences, progress=progress)
    except NativeUnavailableError:
        return calibrate(checkpoint, sequences, progress=progress)


def _compare(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    model: IntegerModel,
    target: Path,
    text: str,
    report: Progress,
) -> Quality | None:
    """Surprise of both models on ``text``, cut short where it is long; None where it is empty."""
    config = checkpoint.config
    tokens = encode_text(tokenizer, text)[:_EVALUATION_TOKENS]
    if not tokens:
        return None
    text = tokenizer.decode(tokens)
    step = min(_SEQUENCE_TOKENS, config.shape.max_seq) - 1
    sequences = [[config.bos, *tokens[i : i + step]] for i in range(0, len(tokens), step)]
    floats = FloatModel(checkpoint)
    report("comparing: float model", 0, 2)
    float_nats = surprise(lambda s: floats.logits(np.array([s], dtype=np.int64))[0], sequences)
    report("comparing: integer model", 1, 2)
    integer: float | None = None
    try:
        loaded = load_model(target)
    except NativeUnavailableError:
        pass  # the export is complete without it; the caller says so
    else:
        unit = 0.5**model.parameters.logit_bits
        nats = surprise(lambda s: loaded.logits(s) * unit, sequences)
        integer = bits_per_byte(nats, text)
    return Quality(len(text.encode()), bits_per_byte(float_nats, text), integer)
