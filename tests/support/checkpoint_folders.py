"""Checkpoint folders as publishers lay them out: any element types, in one file or in parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from esper.model.safetensors_file import AnyArray


def stored(array: AnyArray, element: str) -> bytes:
    """The bytes of float32 values as F32, F16 or BF16; bfloat16 cuts the fraction off."""
    if element == "BF16":
        return bytes((array.view(np.uint32) >> np.uint32(16)).astype("<u2").tobytes())
    return bytes(array.astype({"F32": "<f4", "F16": "<f2"}[element]).tobytes())


def as_stored(array: AnyArray, element: str) -> AnyArray:
    """What a reader makes of it, float32."""
    if element == "BF16":
        return (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return array.astype({"F32": np.float32, "F16": np.float16}[element]).astype(np.float32)


def write_part(path: Path, tensors: Mapping[str, tuple[AnyArray, str]]) -> None:
    """Write a container of float32 arrays, each in the element type beside it."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, (array, element) in tensors.items():
        raw = stored(array, element)
        span = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": element, "shape": list(array.shape), "data_offsets": span}
        body += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def write_in_parts(
    folder: Path, tensors: Mapping[str, tuple[AnyArray, str]], parts: int
) -> dict[str, str]:
    """Write the tensors in turn to ``parts`` files and an index; returns where each is."""
    files = [f"model-{n + 1:05}-of-{parts:05}.safetensors" for n in range(parts)]
    places = {name: files[at % parts] for at, name in enumerate(sorted(tensors))}
    for file in files:
        write_part(folder / file, {n: t for n, t in tensors.items() if places[n] == file})
    size = sum(len(stored(*tensor)) for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return places
