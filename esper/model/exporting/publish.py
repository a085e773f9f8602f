"""From a Hugging Face directory to a directory that nodes can load, with a report of what it cost.

The steps: take calibration from a file or measure it on a text, export, write, copy the tokenizer
and the configuration, and where a text is given compare both models on a part kept aside.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from esper.model.exporting.chat_sequences import chat_sequences
from esper.model.exporting.comparison import Progress, Quality, compare, known_tokens
from esper.model.exporting.export import ExportOptions, Rounding, export_model, plan_of
from esper.model.exporting.native_calibration import calibrate_natively
from esper.model.exporting.report import Chosen, what_was_chosen
from esper.model.exporting.second_moments import SecondMoments, measure_second_moments
from esper.model.files.json_file import read_bytes
from esper.model.files.staged_folder import staged_folder
from esper.model.g16_format import IntegerModel, write_integer_model
from esper.model.g16_parameters import INTEGERS_FILE
from esper.model.importing.folder import import_model
from esper.model.importing.gguf_file import is_gguf
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
_MOMENT_TOKENS = 8_192
"""Tokens on which error feedback learns how inputs go together."""
_SEQUENCE_TOKENS = 256
_HELD_OUT_SHARE = 10
"""One part in this many of the text, its end, is kept out of calibration for the comparison."""
_SALT_SEED = 1


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
    not_compared: str
    """Why not, where a text was given; empty otherwise."""
    chosen: Chosen
    """Units, widths and shifts, and why."""


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
        source: Hugging Face directory with config.json, weights and tokenizer.json, or a GGUF
            file.
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
    options = options or ExportOptions()
    if options.rounding is Rounding.FEEDBACK and text_file is None:
        remedy = "a text to learn from, by --text, or rounding to the nearest"
        raise InvalidFieldError("rounding", str(options.rounding), remedy)
    if is_gguf(source):
        return _publish_gguf(
            source,
            target,
            calibration_file=calibration_file,
            text_file=text_file,
            options=options,
            progress=report,
            overwrite=overwrite,
        )
    in_place = os.path.realpath(source) == os.path.realpath(target)
    if not overwrite and not in_place:
        _refuse_taken(source, target, calibration_file)
    with staged_folder(target) as staged:
        report("reading the checkpoint", 0, 1)
        checkpoint = load_checkpoint(source)
        tokenizer = load_tokenizer(source, checkpoint.config.shape.vocab)
        text = _read_text(text_file) if text_file is not None else None
        cut = len(text) - len(text) // _HELD_OUT_SHARE if text is not None else 0
        calibration, moments = _measured(
            source, calibration_file, checkpoint, tokenizer, text and text[:cut], options, report
        )
        model = export_model(
            checkpoint,
            calibration,
            options,
            moments,
            lambda done, total: report("rounding to integers", done, total),
        )
        write_integer_model(staged.folder / INTEGERS_FILE, model)
        save_calibration(staged.folder / CALIBRATION_FILE, calibration)
        for name in _COPIED_FILES:
            _copy(source / name, staged.folder / name)
        quality, not_compared = None, ""
        if text is not None:
            length = _sequence_tokens(checkpoint)
            quality, not_compared = compare(
                checkpoint, tokenizer, model, staged.folder, text[cut:], length, report
            )
        changed = staged.changed()
        if changed is not None and not overwrite:
            raise FolderTakenError(changed)
        staged.publish()
    bounds = check_bounds(model)
    products = [b for b in bounds if b.name.endswith((" A", "A_up", "rotary", "gain"))]
    widest = max(products, key=lambda bound: bound.value)
    return Published(
        model=model,
        integers_hash=integers_hash(model),
        largest_bound=(widest.site, widest.name, widest.value.bit_length()),
        quality=quality,
        not_compared=not_compared,
        chosen=what_was_chosen(model, calibration, bounds),
    )


def _publish_gguf(source: Path, target: Path, **rest: Any) -> Published:
    """Unpack a GGUF file beside where the model is to be, and export that."""
    with staged_folder(target) as staged:
        rest["progress"]("unpacking the GGUF file", 0, 1)
        import_model(source, staged.folder / "checkpoint")
        return publish(staged.folder / "checkpoint", target, **rest)


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


def _measured(
    source: Path,
    calibration_file: Path | None,
    checkpoint: Checkpoint,
    tokenizer: Tokenizer,
    text: str | None,
    options: ExportOptions,
    report: Progress,
) -> tuple[Calibration, SecondMoments | None]:
    """The calibration, from a file or of the text, and where errors are fed back the moments."""
    sequences: list[list[int]] = []
    feedback = options.rounding is Rounding.FEEDBACK
    given = calibration_file is not None or text is None
    if text is not None and (feedback or not given):
        sequences = _sequences(source, checkpoint, tokenizer, text)
    if given:
        calibration = load_calibration(calibration_file or source / CALIBRATION_FILE, checkpoint)
    else:
        calibration = _calibrated(source, checkpoint, sequences, report)
    if not feedback:
        return calibration, None
    # What the format does not hold is to be found out now, not after the moments.
    plan_of(checkpoint, calibration)
    taken = sequences[: max(1, _MOMENT_TOKENS // _sequence_tokens(checkpoint))]
    return calibration, measure_second_moments(
        checkpoint,
        taken,
        progress=lambda done, total: report("measuring how inputs go together", done, total),
    )


def calibrate_on(source: Path, text: str, progress: Progress) -> Calibration:
    """Measure the checkpoint in a folder on a text, all of it; errors as of :func:`publish`."""
    checkpoint = load_checkpoint(source)
    tokenizer = load_tokenizer(source, checkpoint.config.shape.vocab)
    sequences = _sequences(source, checkpoint, tokenizer, text)
    return _calibrated(source, checkpoint, sequences, progress)


def _sequences(
    source: Path, checkpoint: Checkpoint, tokenizer: Tokenizer, text: str
) -> list[list[int]]:
    config = checkpoint.config
    tokens = encode_text(tokenizer, text)[:_CALIBRATION_TOKENS]
    if not known_tokens(tokenizer, tokens):
        reason = "it has no text of this tokenizer; give a text such as the model was trained on"
        raise InvalidFieldError("text", text[:40], reason)
    length = _sequence_tokens(checkpoint)
    plain = calibration_sequences(
        tokens, bos=config.bos, vocab=config.shape.vocab, length=length, seed=_SALT_SEED
    )
    return [*chat_sequences(source, checkpoint, tokenizer, text, length), *plain]


def _sequence_tokens(checkpoint: Checkpoint) -> int:
    return min(_SEQUENCE_TOKENS, checkpoint.config.shape.max_seq)


def _calibrated(
    source: Path, checkpoint: Checkpoint, sequences: list[list[int]], report: Progress
) -> Calibration:
    def progress(done: int, total: int) -> None:
        report("calibrating", done, total)

    try:
        return calibrate_natively(source, checkpoint, sequences, progress=progress)
    except NativeUnavailableError:
        return calibrate(checkpoint, sequences, progress=progress)
