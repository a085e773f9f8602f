"""Whatever a model says, an answer's pieces are together its text, for every kind of tokenizer."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from esper.model.answers.answer_pieces import _BYTE_OF, AnswerDecoder
from esper.model.answers.answer_text import AnswerText
from esper.model.errors import TokenizerError
from esper.model.tokenizer import decode_answer, tokenizer_of
from tests.support.model_folders import GENESIS_MODEL

SPECIAL = ("<unk>", "<s>", "</s>")
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
WORDS = [
    "\u2581",
    "\u2581a",
    "a",
    "b",
    "é",
    "\u2581\u2581",
    "日",
    "</w>",
    "a</w>",
    "##a",
    ".",
    "'s",
]
LETTERS = [chr(code) for code in range(0x21, 256 + 68) if code not in (0x7F, *range(0x80, 0xA1))]
BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": True,
    "trim_offsets": True,
    "use_regex": True,
}
BLANKS = {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}
_BYTE_LETTERS = {byte: letter for letter, byte in _BYTE_OF.items()}
FALLBACK, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}


def strip(start: int, stop: int = 0) -> dict[str, Any]:
    return {"type": "Strip", "content": " ", "start": start, "stop": stop}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "decoders": list(steps)}


DECODERS: dict[str, dict[str, Any] | None] = {
    "byte level": BYTE_LEVEL,
    "byte level in a sequence": sequence(BYTE_LEVEL),
    "sentencepiece": sequence(BLANKS, FALLBACK, FUSE, strip(1)),
    "two blanks": sequence(BLANKS, FALLBACK, FUSE, strip(2)),
    "no blank": sequence(BLANKS, FALLBACK, FUSE),
    "unfused": sequence(BLANKS, FALLBACK, strip(1)),
    "fallback alone": FALLBACK,
    "metaspace": {
        "type": "Metaspace",
        "replacement": "\u2581",
        "prepend_scheme": "always",
        "split": True,
    },
    "word piece": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "suffixes": {"type": "BPEDecoder", "suffix": "</w>"},
    "none": None,
    "both ends": sequence(BLANKS, FALLBACK, FUSE, strip(1, 1)),
    "ctc": {"type": "CTC", "pad_token": "a", "word_delimiter_token": "b", "cleanup": True},
    "expression": sequence(
        {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"}, FALLBACK, FUSE
    ),
    "late": sequence(FUSE, {"type": "Replace", "pattern": {"String": "ab"}, "content": "c"}),
}
WHOLE = ("both ends", "ctc", "expression", "late")


def made(decoder: dict[str, Any] | None) -> Tokenizer:
    pieces = [*SPECIAL, *BYTES, *dict.fromkeys((*WORDS, *LETTERS))]
    content = json.loads((GENESIS_MODEL / "tokenizer.json").read_bytes())
    content["model"] |= {"vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": []}
    content["decoder"] = decoder
    return tokenizer_of(Path("tokenizer.json"), json.dumps(content).encode(), 2000)


TOKENIZERS = {name: made(decoder) for name, decoder in DECODERS.items()}
TOKENS = st.lists(
    st.one_of(
        st.integers(0, 2),
        st.integers(3, 258),
        st.sampled_from([3 + byte for byte in "é日😀\ufffd".encode()]),
        st.integers(259, 258 + len(WORDS)),
        st.integers(259, 600),
    ),
    max_size=12,
)


def from_bytes(content: bytes) -> list[int]:
    """Tokens of a byte-level tokenizer, one for each byte."""
    vocabulary = TOKENIZERS["byte level"].get_vocab()
    return [vocabulary[_BYTE_LETTERS[byte]] for byte in content]


def streamed(tokenizer: Tokenizer, prompt: list[int], answer: list[int]) -> list[str]:
    pieces = AnswerDecoder(tokenizer).pieces(prompt)
    return [*("".join(pieces.add(token)) for token in answer), pieces.end()]


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=250, deadline=None)
@given(prompt=TOKENS, answer=TOKENS)
def test_pieces_are_together_the_text(name: str, prompt: list[int], answer: list[int]) -> None:
    tokenizer = TOKENIZERS[name]
    try:
        whole = decode_answer(tokenizer, prompt, answer)
    except TokenizerError:  # the package fails at an end that is shorter than what is cut off
        assert name == "both ends"
        with pytest.raises(TokenizerError):
            streamed(tokenizer, prompt, answer)
        return
    assert "".join(streamed(tokenizer, prompt, answer)) == whole
    text = AnswerText(AnswerDecoder(tokenizer), prompt)
    assert "".join([*map(text.add, answer), text.end()]) == whole
    assert text.tokens == tuple(answer)


@settings(max_examples=500, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=12),
        st.lists(st.sampled_from("é日😀\ufffda".encode() + b"\xed\xa0\xff\xf4\x90\xc0")).map(bytes),
        st.text(max_size=6).map(str.encode),
    ),
    cut=st.integers(0, 12),
)
def test_bytes_that_may_be_no_text(content: bytes, cut: int) -> None:
    tokenizer, tokens = TOKENIZERS["byte level"], from_bytes(content)
    prompt, answer = tokens[:cut], tokens[cut:]
    pieces = streamed(tokenizer, prompt, answer)
    assert "".join(pieces) == decode_answer(tokenizer, prompt, answer)
    assert not any(0xD800 <= ord(letter) < 0xE000 for letter in "".join(pieces))


@given(text=st.text(max_size=8))
def test_a_whole_character_does_not_wait(text: str) -> None:
    content, shown = text.encode(), ""
    pieces = AnswerDecoder(TOKENIZERS["byte level"]).pieces([])
    for count, token in enumerate(from_bytes(content), start=1):
        shown += "".join(pieces.add(token))
        assert shown == content[:count].decode(errors="ignore")


@pytest.mark.parametrize("name", DECODERS)
def test_which_tokenizers_stream(name: str) -> None:
    assert AnswerDecoder(TOKENIZERS[name]).streams == (name not in WHOLE)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=250, deadline=None)
@given(prompt=TOKENS, answer=TOKENS, cuts=st.lists(st.integers(0, 12), max_size=4))
def test_tokens_that_come_together_show_what_each_shows(
    name: str, prompt: list[int], answer: list[int], cuts: list[int]
) -> None:
    decoder = AnswerDecoder(TOKENIZERS[name])
    each, together = decoder.pieces(prompt), decoder.pieces(prompt)
    places = sorted({0, *cuts, len(answer)})
    try:
        for begin, end in pairwise(places):
            tokens = answer[begin:end]
            shown = "".join("".join(each.add(token)) for token in tokens)
            assert together.add_all(tokens) == shown
        assert together.end() == each.end()
    except TokenizerError:
        return
