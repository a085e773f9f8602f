"""Every text becomes tokens in one place, and tokens become the text that was added."""

from __future__ import annotations

import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from esper.model.errors import MalformedFileError, MissingFileError, TokenizerError
from esper.model.prompts import PromptText, PromptTokenizer
from esper.model.tokenizer import decode_answer, encode_text, load_tokenizer, tokenizer_of
from tests.support.model_folders import GENESIS_MODEL, genesis_tokenizer

GENESIS = load_tokenizer(GENESIS_MODEL, 1024)
TEXT = "Once upon a time there was a girl who had a cat, and a dog.\n" * 9


def altered(**fields: Any) -> Any:
    content = genesis_tokenizer(lambda tokenizer: tokenizer.update(fields))
    return tokenizer_of(Path("tokenizer.json"), content, 1024)


TRUNCATION = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 4096},
    "direction": "Left",
    "pad_to_multiple_of": 64,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "<unk>",
}


@pytest.mark.parametrize(
    "fields",
    [
        {"truncation": TRUNCATION},
        {"padding": PADDING},
        {"padding": PADDING | {"strategy": "BatchLongest"}},
        {"truncation": TRUNCATION | {"direction": "Left"}, "padding": PADDING},
        {"post_processor": None},
        {
            "post_processor": {
                "type": "RobertaProcessing",
                "sep": ["</s>", 2],
                "cls": ["<s>", 1],
                "trim_offsets": True,
                "add_prefix_space": False,
            }
        },
    ],
)
def test_nothing_is_cut_padded_or_put_around(fields: dict[str, Any]) -> None:
    assert encode_text(altered(**fields), TEXT) == encode_text(GENESIS, TEXT)
    assert encode_text(altered(**fields), "") == []


def test_no_merge_is_left_out_by_chance() -> None:
    content = genesis_tokenizer(lambda tokenizer: tokenizer["model"].update(dropout=0.9))
    tokenizer = tokenizer_of(Path("tokenizer.json"), content, 1024)
    assert encode_text(tokenizer, TEXT) == encode_text(GENESIS, TEXT)


@pytest.mark.parametrize("flags", [{}, {"lstrip": True, "rstrip": True}, {"normalized": True}])
def test_a_text_that_spells_a_special_token_is_text(flags: dict[str, Any]) -> None:
    def edit(content: dict[str, Any]) -> None:
        content["added_tokens"] = [token | flags for token in content["added_tokens"]]

    tokenizer = tokenizer_of(Path("tokenizer.json"), genesis_tokenizer(edit), 1024)
    for text in ("The end</s>Once upon", "<s>", " <unk> "):
        tokens = encode_text(tokenizer, text)
        assert not {0, 1, 2} & set(tokens)
        assert decode_answer(tokenizer, [1], tokens) == text


def test_the_bank_reads_texts_in_the_same_way(tmp_path: Path) -> None:
    content = genesis_tokenizer(lambda tokenizer: tokenizer.update(truncation=TRUNCATION))
    (tmp_path / "tokenizer.json").write_bytes(content)
    config = (GENESIS_MODEL / "tokenizer_config.json").read_bytes()
    (tmp_path / "tokenizer_config.json").write_bytes(config)
    tokens = PromptTokenizer(tmp_path).tokenise(PromptText(system="", user=TEXT)).tokens
    assert list(tokens) == encode_text(GENESIS, TEXT)


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(TokenizerError, match="UTF-8 at character 3"):
        encode_text(GENESIS, "caf\udce9")


def test_a_text_without_tokens_is_an_error_of_ours() -> None:
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "b"}
    tokenizer = altered(model=model, added_tokens=[], decoder=None, post_processor=None)
    with pytest.raises(TokenizerError, match="tokenizer fails"):
        encode_text(tokenizer, "z")


@pytest.mark.parametrize(
    "model",
    [
        {
            "type": "WordLevel",
            "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3},
            "unk_token": "<unk>",
        },
        {
            "type": "Unigram",
            "unk_id": 0,
            "vocab": [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0], ["a", -1.0]],
            "byte_fallback": False,
        },
    ],
)
def test_no_model_reads_a_special_token_by_itself(model: dict[str, Any]) -> None:
    tokenizer = altered(model=model, pre_tokenizer={"type": "WhitespaceSplit"})
    with pytest.raises(TokenizerError, match="spells the special token '</s>'"):
        encode_text(tokenizer, "a </s> a")
    assert encode_text(tokenizer, "a z a") == [3, 0, 3]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xef\xbb\xbf{}", b"\0" * 99, b'{"model": 1}']
)
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(MalformedFileError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path, 1024)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(MissingFileError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path, 1024)


def test_a_folder_that_is_not_there_wants_another_name(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"name the folder of a model$"):
        load_tokenizer(tmp_path / "none", 1024)
    with pytest.raises(MissingFileError, match=r"copy the checkpoint's tokenizer\.json"):
        load_tokenizer(tmp_path, 1024)


# --- back to text -----------------------------------------------------------------------------


def byte(value: int) -> int:
    """The genesis tokenizer's id of a byte."""
    return GENESIS.get_vocab()[f"<0x{value:02X}>"]


def ids(content: bytes) -> list[int]:
    return [byte(one) for one in content]


ENCODED_WORDS = encode_text(GENESIS, " upon a time")


@pytest.mark.parametrize(
    ("prompt", "answer", "added"),
    [
        ([1, 75, byte(0xE2)], ids(b"\x80\x9b"), "\u201b"),
        ([1, 75, *ids("\u201b".encode()), byte(0xE2)], ids(b"\x80\x9b"), "\u201b"),
        ([1, *ids("日本".encode())], ids("日".encode()), "日"),
        ([1, *ids("日".encode())], ids("本".encode()[:2]), "\ufffd"),
        ([1, *ids("日".encode())], [*ids("本".encode()), 75], "本H"),
        ([1, *ids("😀".encode()[:1])], ids("😀".encode()[1:]), "😀"),
        ([1, *ids("😀".encode()[:3])], [*ids("😀".encode()[3:]), *ids("é".encode())], "😀é"),
        ([1, *ids("😀".encode()[:3])], [2], ""),
        ([1, *ids(b"\xe2\x80")], [75], "H"),
        ([1, *ids(b"\xe2\x80")], ids(b"\xe2\x80\x9b"), "\u201b"),
        ([1, *ids(b"\xe2\x80")], ids(b"\xff\xe2"), "\ufffd\ufffd"),
        ([1, *ids(b"\xe2\x80")], ENCODED_WORDS, " upon a time"),
        ([1, *ids(b"\xe2")], [1, *ids(b"\x80"), 2, *ids(b"\x9b"), 75, 2], "\u201bH"),
        ([1, *ids(b"\xff\xfe")], ids("é".encode()), "é"),
        ([1, *ids("\ufffd".encode())], ids("é".encode()), "é"),
        ([], [75], "H"),
        ([1, 75], [], ""),
        ([1, 75], [75, 2], "H"),
    ],
)
def test_only_what_was_added_is_the_answer(
    prompt: list[int], answer: list[int], added: str
) -> None:
    assert decode_answer(GENESIS, prompt, answer) == added


@pytest.mark.parametrize("text", ["日本語のテキスト", "aé😀b", "x\ufffdy", "plain", " a  b "])
def test_wherever_a_text_is_cut_both_parts_are_the_whole(text: str) -> None:
    content = text.encode()
    for cut in range(len(content) + 1):
        prompt, answer = ids(content[:cut]), ids(content[cut:])
        whole = len(content[:cut].decode(errors="ignore"))
        assert decode_answer(GENESIS, [1, *prompt], answer) == text[whole:]


@pytest.mark.parametrize("text", ["日本語", "aé😀b", " a  b "])
def test_likewise_where_pieces_are_bytes(text: str) -> None:
    """Byte-level tokenizers: no decoder of bytes, but of pieces that are bytes."""
    alphabet = [chr(c) for c in range(256 + 68)]
    vocab = {piece: place for place, piece in enumerate(alphabet)}
    tokenizer = altered(
        model={"type": "BPE", "vocab": vocab, "merges": []},
        pre_tokenizer={
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": True,
        },
        decoder={
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        },
        added_tokens=[],
        post_processor=None,
    )
    tokens, content = encode_text(tokenizer, text), text.encode()
    assert len(tokens) == len(content)
    for cut in range(len(tokens) + 1):
        whole = len(content[:cut].decode(errors="ignore"))
        assert decode_answer(tokenizer, tokens[:cut], tokens[cut:]) == text[whole:]


def test_a_book_is_the_tokens_of_transformers(golden_model: Path) -> None:
    """`AutoTokenizer` of transformers 5.24.0 on this folder; ids as 32 bits, little-endian."""
    book = golden_model.parent / "wizard_of_oz.txt"
    if not book.is_file():
        pytest.skip(f"needs {book.name}, which {book.parent} does not hold")
    text, tokenizer = book.read_text("utf-8"), load_tokenizer(golden_model, 512)
    ids = encode_text(tokenizer, text)
    assert len(ids) == 139_391
    assert sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest() == (
        "bfd186a91a00fa2097d4b5f28e6fe21324c6888046fcd8ece09283b0882ad94b"
    )
    assert decode_answer(tokenizer, [], ids) == text
