"""The committed prompt bank: what it promises, and what its reader refuses."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from esper.model.errors import InvalidFieldError, MalformedFileError, MissingFileError
from esper.model.prompts import (
    PromptBank,
    PromptText,
    PromptTokenizer,
    canonical_json,
    encode_bank,
    read_bank,
)
from esper.primitives.merkle import verify_path
from esper.primitives.prompt import TAG_PROMPT_BANK, BankPrompt

REPOSITORY = Path(__file__).resolve().parents[3]
BANK_FILE = REPOSITORY / "prompt_bank" / "bank.json"
MODEL = REPOSITORY / "genesis" / "model"
LONGEST = 35
SPECIAL_IDS = {0, 1, 2}


@pytest.fixture(scope="module")
def bank() -> PromptBank:
    return read_bank(BANK_FILE)


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer(MODEL)


def test_bank_is_large_and_distinct(bank: PromptBank) -> None:
    assert len(bank.texts) >= 4096
    assert len({text.user for text in bank.texts}) == len(bank.texts)
    assert len({prompt.leaf for prompt in bank.prompts}) == len(bank.prompts)


def test_lengths_leave_room_for_salt(bank: PromptBank) -> None:
    lengths = [len(prompt.tokens) for prompt in bank.prompts]
    assert max(lengths) <= LONGEST
    assert statistics.median(lengths) >= 12


def test_no_prompt_holds_a_special_token(bank: PromptBank) -> None:
    assert not any(SPECIAL_IDS & set(prompt.tokens) for prompt in bank.prompts)


def test_ids_are_those_of_the_genesis_tokenizer(
    bank: PromptBank, tokenizer: PromptTokenizer
) -> None:
    assert bank.tokenizer_id == tokenizer.tokenizer_id
    assert tuple(map(tokenizer.tokenise, bank.texts)) == bank.prompts


def test_generator_writes_the_committed_bank(
    bank: PromptBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "prompt_bank"))
    import generate
    from templates import TEMPLATES

    built = generate.build(MODEL)
    assert encode_bank(built) == BANK_FILE.read_bytes()
    assert generate.sample_page(built) == (BANK_FILE.parent / "SAMPLE.md").read_text("utf-8")
    assert len(TEMPLATES) >= 64
    assert len(built.texts) == generate.PER_TEMPLATE * len(TEMPLATES)
    assert generate.PER_TEMPLATE <= 64
    for name in ("generate", "slots", "templates"):
        sys.modules.pop(name, None)


def is_in_bank(
    root: bytes, count: int, index: int, prompt: BankPrompt, path: Sequence[bytes]
) -> bool:
    return verify_path(TAG_PROMPT_BANK, root, count, index, prompt.leaf, path)


def test_every_prompt_opens_against_the_root(bank: PromptBank) -> None:
    root, count = bank.root, len(bank.prompts)
    for index in (0, 1, count // 2, count - 1):
        assert is_in_bank(root, count, index, bank.prompts[index], bank.path(index))


def test_opening_of_another_prompt_is_refused(bank: PromptBank) -> None:
    root, count, path = bank.root, len(bank.prompts), bank.path(7)
    prompt = bank.prompts[7]
    longer = replace(prompt, tokens=(*prompt.tokens, 5))
    assert not is_in_bank(root, count, 8, prompt, path)
    assert not is_in_bank(root, count + 1, 7, prompt, path)
    assert not is_in_bank(root, count, 7, bank.prompts[8], path)
    assert not is_in_bank(root, count, 7, longer, path)
    assert not is_in_bank(root, count, 7, replace(prompt, tokenizer_id=bytes(64)), path)
    assert not is_in_bank(root, count, 7, replace(prompt, json_hash=bytes(64)), path)
    assert not is_in_bank(root, count, 7, replace(prompt, mask_spans=((0, 1),)), path)


def test_masked_prompts_cover_the_named_part(bank: PromptBank, tokenizer: PromptTokenizer) -> None:
    masked = [
        (text, prompt)
        for text, prompt in zip(bank.texts, bank.prompts, strict=True)
        if text.mask_range is not None
    ]
    assert len(masked) >= 64
    for text, prompt in masked[::16]:
        assert text.mask_range is not None
        start, end = text.mask_range
        ((first, length),) = prompt.mask_spans
        covered = tokenizer.decode(prompt.tokens[first : first + length])
        assert text.user[start:end] in covered
        inner = tokenizer.decode(prompt.tokens[first + 1 : first + length])
        assert len(inner) < len(text.user[start:end])


def test_system_text_stands_before_the_user_text(tokenizer: PromptTokenizer) -> None:
    prompt = tokenizer.tokenise(PromptText(system="A story for Tim.", user="Once upon a time,"))
    assert tokenizer.decode(prompt.tokens) == "A story for Tim.\nOnce upon a time,"


@pytest.mark.parametrize(
    "text",
    ["Once upon a time", " two  spaces ", "日本 é ▁ \u2581", "<0x41> </s> <s>", "a\n\tb\x00"],
)
def test_decoding_is_exact(tokenizer: PromptTokenizer, text: str) -> None:
    tokens = tokenizer.tokenise(PromptText(system="", user=text)).tokens
    assert tokenizer.decode(tokens) == text
    assert not SPECIAL_IDS & set(tokens)


def test_templates_share_the_bank_evenly(bank: PromptBank) -> None:
    opening = Counter(text.system + "/" + text.user[:4] for text in bank.texts)
    assert opening.most_common(1)[0][1] < len(bank.texts) // 5


def test_a_missing_file_names_the_one_that_there_always_is(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="`genesis` stands for the embedded one"):
        read_bank(tmp_path / "bank.json")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":2'),
        (b'"version":1', b'"version": 1'),
        (b'"tokenizer_id":"', b'"tokenizer_id":"zz'),
        (b'"user"', b'"usr"'),
        (b'"prompts"', b'"prompt"'),
    ],
)
def test_malformed_bank_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "bank.json"
    path.write_bytes(BANK_FILE.read_bytes().replace(old, new, 1))
    with pytest.raises(MalformedFileError):
        read_bank(path)


def test_empty_bank_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bank.json"
    path.write_text('{"version":1,"tokenizer_id":"' + "00" * 64 + '","prompts":[\n\n]}\n')
    with pytest.raises(MalformedFileError, match="prompts"):
        read_bank(path)


@pytest.mark.parametrize("mask_range", [(-1, 2), (2, 2), (0, 6)])
def test_mask_range_must_lie_inside(mask_range: tuple[int, int]) -> None:
    with pytest.raises(InvalidFieldError, match="mask_range"):
        PromptText(system="", user="hello", mask_range=mask_range)


def test_user_text_may_not_be_empty() -> None:
    with pytest.raises(InvalidFieldError, match="user"):
        PromptText(system="x", user="")


def test_file_survives_a_round_trip(tmp_path: Path) -> None:
    texts = [
        PromptText(system="Ein Märchen.", user='"Hi," said 猫', mask_range=(0, 2)),
        PromptText(system="", user="b"),
    ]
    kept, tokenizer = tuple(texts), PromptTokenizer(MODEL)
    bank = PromptBank(kept, tuple(map(tokenizer.tokenise, kept)))
    path = tmp_path / "bank.json"
    path.write_bytes(encode_bank(bank))
    again = read_bank(path)
    assert again == bank
    assert again.root == bank.root


def test_json_hash_covers_every_field() -> None:
    text = PromptText(system="s", user="user", mask_range=(0, 2))
    others = [
        replace(text, system="t"),
        replace(text, user="uses"),
        replace(text, mask_range=(0, 3)),
        replace(text, mask_range=None),
    ]
    assert len({text.json_hash, *(other.json_hash for other in others)}) == 5


def test_canonical_json_is_sorted_and_tight() -> None:
    assert canonical_json(json.loads('{"b": [1, 2], "a": "é"}')) == '{"a":"é","b":[1,2]}'
