"""Tokenizers that would make gigabytes of a line are refused, usual ones are not."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from esper.model.errors import TokenizerError
from esper.model.tokenizer import tokenizer_of
from esper.model.tokenizer_growth import LONGEST_AFFIX, LONGEST_PIECE
from tests.support.package_folders import GENESIS_MODEL

PATH = Path("tokenizer.json")


def replace(content: str, **pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def sequence(part: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", f"{part}s": list(steps)}


def load(**parts: Any) -> None:
    fields: dict[str, Any] = json.loads((GENESIS_MODEL / "tokenizer.json").read_text())
    tokenizer_of(PATH, json.dumps(fields | parts).encode(), 1 << 20)


def precompiled(text: str) -> dict[str, Any]:
    trie = (4).to_bytes(4, "little") + bytes(4)
    charsmap = base64.b64encode(trie + text.encode() + b"\0").decode()
    return {"type": "Precompiled", "precompiled_charsmap": charsmap}


LLAMA = sequence("normalizer", {"type": "Prepend", "prepend": "▁"}, replace("▁", String=" "))
CLIP = sequence("normalizer", {"type": "NFC"}, replace(" ", Regex=r"\s+"), {"type": "Lowercase"})
LLAMA_DECODER = sequence(
    "decoder",
    replace(" ", String="▁"),
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0},
)


@pytest.mark.parametrize("normalizer", [None, {"type": "NFKC"}, LLAMA, CLIP])
def test_usual_normalizers(normalizer: Any) -> None:
    load(normalizer=normalizer)


def test_a_usual_decoder() -> None:
    load(decoder=LLAMA_DECODER)


@pytest.mark.parametrize(
    "step",
    [
        replace("a" * 65, String="a"),
        replace("a" * 33, Regex="b|c"),
        replace("a" * 32, String=""),
        {"type": "Prepend", "prepend": "a" * 64},
        sequence("normalizer", *[replace("aa", String="a")] * 7),
        sequence(
            "normalizer",
            sequence("normalizer", replace("a" * 9, String="a")),
            replace("a" * 8, String="a"),
        ),
        sequence("normalizer", {"type": "NFKC"}, replace("\ufdfa", String="a"), {"type": "NFKC"}),
    ],
)
def test_normalizers_that_grow_are_refused(step: Any) -> None:
    with pytest.raises(TokenizerError, match="normalizer make"):
        load(normalizer=step)


def test_a_replacement_counts_by_what_it_replaces() -> None:
    load(normalizer=replace("a" * 128, String="bc"))
    with pytest.raises(TokenizerError, match="normalizer make"):
        load(normalizer=replace("a" * 129, String="bc"))


@pytest.mark.parametrize(
    "step",
    [
        replace("a" * 65, String="a"),
        sequence("decoder", *[{"type": "BPEDecoder", "suffix": ""}] * 4),
    ],
)
def test_decoders_that_grow_are_refused(step: Any) -> None:
    with pytest.raises(TokenizerError, match="decoder make"):
        load(decoder=step)


@pytest.mark.parametrize("change", ["piece", "continuing_subword_prefix", "end_of_word_suffix"])
def test_long_pieces_are_refused(change: str) -> None:
    fields: dict[str, Any] = json.loads((GENESIS_MODEL / "tokenizer.json").read_text())
    if change == "piece":
        fields["model"]["vocab"]["a" * (LONGEST_PIECE + 1)] = len(fields["model"]["vocab"]) + 999
    else:
        fields["model"] |= {change: "a" * (LONGEST_AFFIX + 1), "merges": []}
    with pytest.raises(TokenizerError, match="characters, at most"):
        tokenizer_of(PATH, json.dumps(fields).encode(), 1 << 20)
