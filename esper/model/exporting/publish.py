"""From a Hugging Face directory to a directory that nodes can load, with a report of what it cost.

The steps: take calibration from a file or measure it on a text, export, write, copy the tokenizer
and the configuration, and where a text is given compare both models on a part kept aside.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from esper.model.bounds import check_bounds
from esper.model.checkpoint import Checkpoint, load_checkpoint
from esper.model.errors import (
    FolderTakenError,
    InvalidFieldError,
    MalformedFileError,
    NativeUnavailableError,
    UnwritableFileError,
)
from esper.model.exporting.calibration import (
    Calibration,
    calibrate,
    calibration_sequences,
    load_calibration,
    save_calibration,
)
from esper.model.exporting.evaluation import bits_per_byte, surprise
from esper.model.exporting.export import ExportOptions, export_model
from esper.model.exporting.float_reference import FloatModel
from esper.model.exporting.native_calibration import calibrate_natively
from esper.model.files.json_file import read_bytes
from esper.model.files.staged_folder import staged_folder
from esper.model.g16_format import IntegerModel, write_integer_model
from esper.model.g16_parameters import INTEGERS_FILE
from esper.model.loaded import load_model
from esper.model.naming.integers_hash import integers_hash
from esper.model.tokenizer import TOKENIZER_FILE, encode_text, load_tokenizer

CALIBRATION_FILE = "calibration.json"
_COPIED_FILES = (
    "config.json",
    TOKENIZER_FILE,
    "tokenizer_config.json",
    "chat_template.jinja",
    "LICENSE",
)
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


NO_TEXT = "the part of the text kept out of calibration has no text of this tokenizer"
TOO_SHORT = "the text is too short to keep a part out of calibration"


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
    """None where nothing could be compared."""
    not_compared: str = ""
    """Why not, where a text was given."""


def publish(
    source: Path,
    target: Path,
    *,
    calibration_file: Path | None = None,
    text_file: Path | None = None,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
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
        overwrite: replace the files of a model in ``target``. Without it an export into ``source``
            itself may only repeat what is there, and ``target`` holds no model yet.

    Raises:
        ModelError: one of its subclasses says which file, field, tensor or bound is at fault.
    """
    report = progress or _report_nothing
    in_place = os.path.realpath(source) == os.path.realpath(target)
    if not overwrite and not in_place:
        _refuse_taken(source, target, calibration_file)
    with staged_folder(target) as staged:
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
        write_integer_model(staged.folder / INTEGERS_FILE, model)
        save_calibration(staged.folder / CALIBRATION_FILE, calibration)
        for name in _COPIED_FILES:
            _copy(source / name, staged.folder / name)
        quality, not_compared = None, ""
        if text is not None:
            quality, not_compared = _compare(
                checkpoint, tokenizer, model, staged.folder, text[cut:], report
            )
        changed = staged.changed()
        if changed is not None and not overwrite:
            raise FolderTakenError(changed)
        staged.publish()
    products = [b for b in check_bounds(model) if b.name.endswith((" A", "A_up", "rotary", "gain"))]
    widest = max(products, key=lambda bound: bound.value)
    return Published(
        model=model,
        integers_hash=integers_hash(model),
        largest_bound=(widest.site, widest.name, widest.value.bit_length()),
        quality=quality,
        not_compared=not_compared,
    )


def _report_nothing(step: str, done: int, total: int) -> None:
    """Report to nobody."""


def _refuse_taken(source: Path, target: Path, calibration_file: Path | None) -> None:
    """Raise FolderTakenError for a file of ``target`` that an export would replace."""
    names = [INTEGERS_FILE]
    calibration = target / CALIBRATION_FILE
    if calibration_file is None or not _same_content(calibration_file, calibration):
        names.append(CALIBRATION_FILE)
    names += [name for name in _COPIED_FILES if not _same_content(source / name, target / name)]
    for name in names:
        if os.path.lexists(target / name):
            raise FolderTakenError(target / name)


def _same_content(first: Path, second: Path) -> bool:
    """Whether both are files of the same bytes, or the first is none: it replaces nothing."""
    if not first.is_file():
        return True
    return second.is_file() and first.read_bytes() == second.read_bytes()


def _copy(source: Path, target: Path) -> None:
    """Copy a file if there is one. Raises MissingFileError, UnwritableFileError."""
    if not os.path.lexists(source):
        return
    content = read_bytes(source, "make it readable, or remove it")
    try:
        target.write_bytes(content)
    except OSError as error:
        raise UnwritableFileError(target, error) from error


def _read_text(path: Path) -> str:
    try:
        return read_bytes(path, "give a readable text file").decode()
    except UnicodeDecodeError as error:
        raise MalformedFileError(path, f"not UTF-8 at byte {error.start}; save it so") from error


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
    if not _known(tokenizer, tokens):
        reason = "it has no text of this tokenizer; give a text such as the model was trained on"
        raise InvalidFieldError("text", text[:40], reason)
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


def _known(tokenizer: Tokenizer, tokens: list[int]) -> list[int]:
    """The tokens that stand for something: the one for all unknown text says nothing."""
    unknown = getattr(tokenizer.model, "unk_token", None)
    identity = None if unknown is None else tokenizer.token_to_id(unknown)
    return [token for token in tokens if token != identity]


def _compare(
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    model: IntegerModel,
    folder: Path,
    text: str,
    report: Progress,
) -> tuple[Quality | None, str]:
    """Surprise of both models on ``text``, cut short where it is long; None, and why not."""
    config = checkpoint.config
    tokens = _known(tokenizer, encode_text(tokenizer, text)[:_EVALUATION_TOKENS])
    if not text:
        return None, TOO_SHORT
    text = tokenizer.decode(tokens)
    if not text:
        return None, NO_TEXT
    step = min(_SEQUENCE_TOKENS, config.shape.max_seq) - 1
    sequences = [[config.bos, *tokens[i : i + step]] for i in range(0, len(tokens), step)]
    floats = FloatModel(checkpoint)
    report("comparing: float model", 0, 2)
    float_nats = surprise(lambda s: floats.logits(np.array([s], dtype=np.int64))[0], sequences)
    report("comparing: integer model", 1, 2)
    integer: float | None = None
    try:
        loaded = load_model(folder)
    except NativeUnavailableError:
        pass  # the export is complete without it; the caller says so
    else:
        unit = 0.5**model.parameters.logit_bits
        nats = surprise(lambda s: loaded.logits(s) * unit, sequences)
        integer = bits_per_byte(nats, text)
    return Quality(len(text.encode()), bits_per_byte(float_nats, text), integer), ""
