"""Golden prompts: canonical texts and their hashes, bytes, leaves, and the root of the bank."""

import json
from typing import Any

import pytest

from esper.model.prompts import PromptText
from esper.primitives.prompt import BankPrompt, bank_tree
from esper.primitives.work_outputs import BANK_PROMPT
from tests.support.vector_reading import check_encoding, tagged
from tests.vectors.fields import built
from tests.vectors.writers import write_prompts

DOCUMENT = json.loads(write_prompts.FILE.read_text())
TEXTS, PROMPTS = DOCUMENT["texts"], DOCUMENT["prompts"]


def read(vector: dict[str, Any]) -> BankPrompt:
    prompt: BankPrompt = built(BANK_PROMPT, vector["fields"])
    return prompt


@pytest.mark.parametrize("vector", TEXTS, ids=lambda vector: vector["fields"]["user"])
def test_texts(vector: dict[str, Any]) -> None:
    fields, canonical = vector["fields"], bytes.fromhex(vector["canonical"])
    span = fields.get("mask_range")
    text = PromptText(fields["system"], fields["user"], None if span is None else tuple(span))
    assert text.json_hash.hex() == vector["json_hash"]
    assert tagged("esper/prompt-json/v1", canonical) == vector["json_hash"]
    found = json.loads(canonical)
    assert found == fields
    assert list(found) == sorted(fields)


@pytest.mark.parametrize("vector", PROMPTS, ids=lambda vector: vector["case"])
def test_prompts(vector: dict[str, Any]) -> None:
    check_encoding(BANK_PROMPT, vector)
    fields = vector["fields"]
    assert read(vector).leaf.hex() == vector["leaf"]
    spans = [part for span in fields["mask_spans"] for part in span]
    numbers = [len(fields["tokens"]), *fields["tokens"], len(spans) // 2, *spans]
    words = b"".join(value.to_bytes(4, "big") for value in numbers)
    ends = [bytes.fromhex(fields[name]) for name in ("tokenizer_id", "json_hash")]
    assert tagged("esper/prompt/v1", ends[0], words, ends[1]) == vector["leaf"]


def test_a_prompt_commits_to_its_text() -> None:
    hashes = [vector["fields"]["json_hash"] for vector in PROMPTS]
    assert hashes == [vector["json_hash"] for vector in TEXTS]


def test_bank_root() -> None:
    assert bank_tree([read(vector) for vector in PROMPTS]).root.hex() == DOCUMENT["bank_root"]
    use, pair = b"esper/prompt-bank/v1".ljust(32, b"\0"), "esper/merkle/node/v1"
    leaves = [tagged("esper/merkle/leaf/v1", bytes.fromhex(v["leaf"])) for v in PROMPTS]
    first, second, third = map(bytes.fromhex, leaves)
    top = bytes.fromhex(tagged(pair, bytes.fromhex(tagged(pair, first, second)), third))
    count = (3).to_bytes(8, "big")
    assert tagged("esper/merkle/root/v1", use, count, top) == DOCUMENT["bank_root"]


def test_the_script_writes_this_file() -> None:
    assert write_prompts.document() == DOCUMENT
