"""From a checkpoint as it was published to a plain Hugging Face folder that an export reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from esper.model.checkpoint import (
    CONFIG_FILE,
    Checkpoint,
    assemble_checkpoint,
    load_checkpoint,
    named_tensors,
)
from esper.model.config import Shape, parse_config
from esper.model.errors import FolderTakenError, UnwritableFileError, WrongTensorError
from esper.model.files.json_file import read_bytes
from esper.model.files.staged_folder import staged_folder
from esper.model.importing.gguf_config import check_architecture, config_of
from esper.model.importing.gguf_file import GgufFile, is_gguf, open_gguf
from esper.model.importing.gguf_tokenizer import tokenizer_config_of_gguf, tokenizer_of_gguf
from esper.model.importing.gguf_weights import weights_of
from esper.model.importing.weight_files import WEIGHTS_FILE
from esper.model.safetensors_file import write_container
from esper.model.templates.chat_template import CONFIG_FILE as TOKENIZER_CONFIG_FILE
from esper.model.templates.chat_template import TEMPLATE_FILE
from esper.model.tokenizer import TOKENIZER_FILE, load_tokenizer, tokenizer_of

_COPIED: Final = (
    CONFIG_FILE,
    TOKENIZER_FILE,
    TOKENIZER_CONFIG_FILE,
    TEMPLATE_FILE,
    "generation_config.json",
    "LICENSE",
)
"""What an import takes along as it is from a folder."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import wrote."""

    shape: Shape
    """Sizes of the model."""
    weights: int
    """Number of its weights."""
    fingerprint: str
    """SHA-256 of the configuration and the weights, as a calibration names them."""
    has_template: bool
    """Whether it knows how to lay out a chat."""


def import_model(source: Path, target: Path, *, overwrite: bool = False) -> Imported:
    """Write the checkpoint ``source``, a GGUF file or a folder, as a plain folder ``target``.

    Weights become float32 in one file; nothing is rounded.

    Raises:
        ModelError: one of its subclasses says which file, field or tensor is at fault.
    """
    gguf = is_gguf(source)
    with staged_folder(target) as staged:
        if not overwrite and os.path.lexists(target / WEIGHTS_FILE):
            raise FolderTakenError(target / WEIGHTS_FILE)
        if gguf:
            checkpoint = _write_gguf(open_gguf(source), staged.folder)
        else:
            checkpoint = _write_folder(source, staged.folder)
        changed = staged.changed()
        if changed is not None and not overwrite:
            raise FolderTakenError(changed)
        has_template = _has_template(staged.folder)
        staged.publish()
    arrays = [checkpoint.embed, checkpoint.final_norm]
    if checkpoint.lm_head is not checkpoint.embed:
        arrays.append(checkpoint.lm_head)
    for layer in checkpoint.layers:
        arrays += [layer.norm1, layer.norm2, *layer.linear.values()]
    return Imported(
        shape=checkpoint.config.shape,
        weights=sum(array.size for array in arrays),
        fingerprint=checkpoint.fingerprint(),
        has_template=has_template,
    )


def _write_gguf(file: GgufFile, folder: Path) -> Checkpoint:
    check_architecture(file)
    config = config_of(file)
    weights = weights_of(file)
    try:
        checkpoint = assemble_checkpoint(parse_config(config), weights)
    except WrongTensorError as error:
        raise error.at(file.path) from error
    tokenizer = _json(tokenizer_of_gguf(file))
    tokenizer_of(file.path, tokenizer, checkpoint.config.shape.vocab)
    _write_weights(folder, checkpoint)
    _write(folder / CONFIG_FILE, _json(config))
    _write(folder / TOKENIZER_FILE, tokenizer)
    _write(folder / TOKENIZER_CONFIG_FILE, _json(tokenizer_config_of_gguf(file)))
    return checkpoint


def _write_folder(source: Path, folder: Path) -> Checkpoint:
    checkpoint = load_checkpoint(source)
    load_tokenizer(source, checkpoint.config.shape.vocab)
    _write_weights(folder, checkpoint)
    for name in _COPIED:
        if os.path.lexists(source / name):
            _write(folder / name, read_bytes(source / name, "make it readable, or remove it"))
    return checkpoint


def _write_weights(folder: Path, checkpoint: Checkpoint) -> None:
    write_container(folder / WEIGHTS_FILE, {"format": "pt"}, named_tensors(checkpoint))


def _has_template(folder: Path) -> bool:
    if (folder / TEMPLATE_FILE).exists():
        return True
    path = folder / TOKENIZER_CONFIG_FILE
    return path.exists() and bool(json.loads(path.read_bytes()).get("chat_template"))


def _json(fields: Mapping[str, Any]) -> bytes:
    return (json.dumps(fields, ensure_ascii=False, indent=1) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UnwritableFileError(path, error) from error
