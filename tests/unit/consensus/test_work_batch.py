"""Seeds, indices, salt and masks, against a twin in plain hashlib."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.consensus.batch import batch_inputs, draw_indices, input_tokens, longest_prompt
from esper.consensus.header import PRE_HEADER, work_id, work_seed
from esper.primitives.codec import decode
from esper.primitives.prompt import BankPrompt
from tests.support.fake_work import BANK, SHAPE, fake_model_entry, fake_network

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "work.json").read_text())
PARAMS = fake_network()
PUZZLE, MODEL = PARAMS.puzzle, PARAMS.model


def words(name: str, *parts: bytes) -> list[int]:
    data = hashlib.shake_256(name.encode().ljust(32, b"\0") + b"".join(parts)).digest(8 * 64)
    return [int.from_bytes(data[i : i + 8], "big") for i in range(0, len(data), 8)]


@pytest.mark.parametrize("vector", VECTORS)
def test_golden_vectors(vector: dict[str, Any]) -> None:
    pre = decode(PRE_HEADER, bytes.fromhex(vector["pre_header"]), limit=4096, what="pre-header")
    assert pre.nonce == vector["nonce"]
    assert work_id(pre).hex() == vector["work_id"]
    seed = work_seed(work_id(pre))
    assert seed.hex() == vector["seed"]
    indices = draw_indices(seed, MODEL.bank_size, PUZZLE.sequences)
    assert list(indices) == vector["indices"]
    inputs = batch_inputs(seed, [BANK[i] for i in indices], PUZZLE, MODEL)
    assert [list(tokens) for tokens in inputs] == vector["inputs"]


@pytest.mark.parametrize("vector", VECTORS)
def test_definition_by_plain_hashlib(vector: dict[str, Any]) -> None:
    padded = b"esper/work/seed/v1".ljust(32, b"\0")
    seed = hashlib.shake_256(padded + bytes.fromhex(vector["work_id"])).digest(64)
    assert seed.hex() == vector["seed"]
    # 2^64 is a multiple of the bank's 4096, so no word is rejected.
    assert vector["indices"] == [w % 4096 for w in words("esper/work/index/v1", seed)][:2]
    for j, tokens in enumerate(vector["inputs"]):
        prompt = BANK[vector["indices"][j]]
        place = j.to_bytes(4, "big")
        limit = (1 << 64) // 1021 * 1021
        salt = [3 + w % 1021 for w in words("esper/work/salt/v1", seed, place) if w < limit]
        masks = [3 + w % 1021 for w in words("esper/work/mask/v1", seed, place) if w < limit]
        expected = list(prompt.tokens)
        for start, length in prompt.mask_spans:
            expected[start : start + length], masks = masks[:length], masks[length:]
        salt_length = 48 - len(expected)
        assert salt_length >= 13
        assert tokens == [1, *salt[:salt_length], *expected]


@given(st.binary(min_size=64, max_size=64), st.integers(0, 3))
def test_inputs_have_one_length_and_no_special_ids(seed: bytes, position: int) -> None:
    prompt = BANK[seed[0] * 16]
    tokens = input_tokens(seed, position, prompt, PUZZLE, MODEL)
    assert len(tokens) == PUZZLE.input_tokens
    assert tokens[0] == MODEL.bos
    assert not set(tokens[1:]) & set(MODEL.special_ids)
    assert max(tokens) < SHAPE.vocab


def test_salt_differs_by_seed_and_position() -> None:
    prompt = BANK[0]
    seen = {
        input_tokens(seed, position, prompt, PUZZLE, MODEL)[1:14]
        for seed in (bytes(64), b"\1" * 64)
        for position in range(4)
    }
    assert len(seen) == 8


def test_every_mask_span_is_replaced() -> None:
    spans = ((0, 2), (3, 1), (8, 2))
    prompt = BankPrompt(MODEL.tokenizer_id, tuple([5] * 10), spans, bytes(64))
    tokens = [input_tokens(bytes([i]) * 64, 0, prompt, PUZZLE, MODEL)[-10:] for i in range(8)]
    masked = {0, 1, 3, 8, 9}
    for place in range(10):
        values = {row[place] for row in tokens}
        assert (len(values) > 1) == (place in masked)


def test_least_salt_holds_128_bits() -> None:
    for vocab in (10, 100, 515, 1024, 49152):
        special = (0, 1, 2)
        model = replace(fake_model_entry(), shape=replace(SHAPE, vocab=vocab), special_ids=special)
        salt = model.minimum_salt(128)
        assert salt == math.ceil(128 / math.log2(vocab - 3))
    assert longest_prompt(PUZZLE, MODEL) == 35


def test_a_prompt_too_long_is_refused() -> None:
    fits = BankPrompt(MODEL.tokenizer_id, tuple([5] * 35), (), bytes(64))
    assert len(input_tokens(bytes(64), 0, fits, PUZZLE, MODEL)) == 49
    with pytest.raises(ValueError, match="36 tokens, at most 35"):
        input_tokens(bytes(64), 0, replace(fits, tokens=tuple([5] * 36)), PUZZLE, MODEL)


def test_indices_never_repeat() -> None:
    for seed in range(200):
        drawn = draw_indices(bytes([seed]) * 64, 5, 4)
        assert len(set(drawn)) == 4
        assert set(drawn) <= set(range(5))
    assert sorted(draw_indices(bytes(64), 4, 4)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="cannot fill"):
        draw_indices(bytes(64), 3, 4)


def test_salt_tokens_skip_special_ids() -> None:
    model = replace(fake_model_entry(), bos=4, eos=0, special_ids=(0, 4, 5, 9))
    expected = [t for t in range(SHAPE.vocab) if t not in (0, 4, 5, 9)]
    assert [model.salt_token(i) for i in range(model.salt_alphabet)] == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"special_ids": (2, 1, 0)}, "ascending"),
        ({"special_ids": (0, 1)}, "bos and eos"),
        ({"special_ids": (0, 1, 2, 1024)}, "below 1024"),
        ({"model_id": b"short"}, "model_id has 5 bytes"),
    ],
)
def test_model_entries_that_contradict_themselves(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(fake_model_entry(), **changes)


@pytest.mark.parametrize(
    ("tokens", "spans", "reason"),
    [
        ((), (), "at least one id"),
        ((1 << 32,), (), "at least one id"),
        ((1, 2, 3), ((0, 4),), "within 3"),
        ((1, 2, 3), ((0, 0),), "at least 1 long"),
        ((1, 2, 3), ((1, 1), (1, 1)), "begin at 2"),
    ],
)
def test_prompts_that_no_bank_may_hold(
    tokens: tuple[int, ...], spans: tuple[tuple[int, int], ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        BankPrompt(bytes(64), tokens, spans, bytes(64))
