"""Shapes that a plan knows by name, and those that are written out or lie in a file or folder.

The large ones are the published sizes of Llama 3.2 1B and Llama 3.1 8B, 70B and 405B, with rotary
tables of 8,192 positions, which is what a proof can have rows for at most twice over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

from esper.embedded import model_folder
from esper.model.config import Shape, read_config
from esper.model.g16_parameters import INTEGERS_FILE, read_parameters

_LLAMA_VOCAB: Final = 128256
_LLAMA_POSITIONS: Final = 8192
NAMED: Final[Mapping[str, Shape]] = {
    "260k": Shape(512, 64, 172, 5, 8, 4, 8, 512),
    "15m": Shape(32000, 288, 768, 6, 6, 6, 48, 256),
    "110m": Shape(32000, 768, 2048, 12, 12, 12, 64, 1024),
    "135m": Shape(49152, 576, 1536, 30, 9, 3, 64, 2048),
    "360m": Shape(49152, 960, 2560, 32, 15, 5, 64, 2048),
    "1b": Shape(_LLAMA_VOCAB, 2048, 8192, 16, 32, 8, 64, _LLAMA_POSITIONS),
    "8b": Shape(_LLAMA_VOCAB, 4096, 14336, 32, 32, 8, 128, _LLAMA_POSITIONS),
    "70b": Shape(_LLAMA_VOCAB, 8192, 28672, 80, 64, 8, 128, _LLAMA_POSITIONS),
    "405b": Shape(_LLAMA_VOCAB, 16384, 53248, 126, 128, 8, 128, _LLAMA_POSITIONS),
}
"""By name: vocabulary, dim, hidden, layers, heads, key heads, width of a head, positions."""
LARGEST: Final = 1 << 25
"""No size of a shape is above: the integer format has none that is."""
SIZES: Final = tuple(field.name for field in fields(Shape))
"""In the order in which a shape is written out."""


class ShapeError(ValueError):
    """What was given names no shape; the message says which field, and what helps."""


def shape_of(text: str) -> Shape:
    """The shape of a name, of eight sizes ``vocab=...,dim=...,...``, of a file or of a folder.

    A file is a ``config.json`` of Hugging Face; a folder is read for its ``g16.safetensors`` or,
    without one, its ``config.json``. ``genesis`` is the embedded model.

    Raises:
        ShapeError: none of them, or sizes that no model has.
        OSError, ModelError: the file cannot be read.
    """
    named = NAMED.get(text.lower())
    if named is not None:
        return named
    if "=" in text and not Path(text).exists():
        return checked(_written_out(text))
    place = model_folder(text)
    if text and place.is_dir():
        return checked(_of_folder(place))
    if text and place.exists():
        return checked(read_config(place).shape)
    raise ShapeError(
        f"model {text!r} is no shape: give one of {', '.join(NAMED)}, a model's folder, its "
        f"config.json, or all of {','.join(f'{name}=N' for name in SIZES)}"
    )


def checked(shape: Shape) -> Shape:
    """The shape, if a model can have it. Raises ShapeError."""
    for name in SIZES:
        value = getattr(shape, name)
        if not 1 <= value <= LARGEST:
            raise ShapeError(f"{name} is {value}: give 1 to {LARGEST}")
    if shape.heads % shape.kv_heads:
        raise ShapeError(f"kv_heads is {shape.kv_heads}: give a divisor of heads = {shape.heads}")
    if shape.head_dim % 2:
        raise ShapeError(f"head_dim is {shape.head_dim}: give an even number")
    return shape


def _written_out(text: str) -> Shape:
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        name = name.strip()
        if name not in SIZES:
            raise ShapeError(f"a shape has no {name!r}: give {', '.join(SIZES)}")
        if name in found:
            raise ShapeError(f"{name} is given twice: give it once")
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise ShapeError(f"{name} is {value!r}: give a number from 1 to {LARGEST}")
        found[name] = int(value)
    missing = [name for name in SIZES if name not in found]
    if missing:
        raise ShapeError(f"the shape lacks {', '.join(missing)}: give all of {', '.join(SIZES)}")
    return Shape(**found)


def _of_folder(folder: Path) -> Shape:
    if (folder / INTEGERS_FILE).exists():
        return read_parameters(folder).shape
    return read_config(folder / "config.json").shape
