"""A tokenizer that makes gigabytes of a few letters: kilobytes in a package, read by every node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esper.model.errors import ModelError
from esper.model.tokenizer import tokenizer_of
from tests.support.package_folders import GENESIS_MODEL

GROWS = {"type": "Replace", "pattern": {"String": "\u2603"}, "content": "\u2603" * 32}
"""32 of each; of twelve in a row the last would make 2^60."""


@pytest.mark.parametrize("part", ["normalizer", "decoder"])
def test_a_tokenizer_whose_texts_grow_without_end_is_refused(part: str, tmp_path: Path) -> None:
    """It has a bank that never writes the letter, so its checks pass: then somebody writes it.

    Texts become tokens, and tokens texts, in the process of the node.
    """
    fields: dict[str, Any] = json.loads((GENESIS_MODEL / "tokenizer.json").read_text())
    inner = {"normalizer": "normalizers", "decoder": "decoders"}[part]
    fields[part] = {"type": "Sequence", inner: [GROWS] * 12}
    content = json.dumps(fields).encode()
    with pytest.raises(ModelError):
        tokenizer_of(tmp_path / "tokenizer.json", content, 1 << 20)
