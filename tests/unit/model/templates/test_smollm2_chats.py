"""Chats of a published model are the tokens that its makers' tools make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esper.model.templates.apart.template_process import TemplateProcess
from esper.model.templates.chat_messages import checked_messages
from esper.model.templates.chat_tokens import ChatTokens, chat_tokens

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "smollm2_chats.json").read_bytes())
VOCAB, BOS = 49_152, 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("smollm2")
    (made / "tokenizer.json").write_text(json.dumps(VECTORS["tokenizer"]), "utf-8")
    (made / "tokenizer_config.json").write_text(json.dumps(VECTORS["config"]), "utf-8")
    return made


@pytest.fixture(scope="module", params=["here", "apart"])
def chat(request: pytest.FixtureRequest, folder: Path) -> Iterator[ChatTokens]:
    if request.param == "here":
        yield chat_tokens(folder, VOCAB, BOS)
        return
    with TemplateProcess(limit_s=60) as process:
        yield chat_tokens(folder, VOCAB, BOS, process)


@pytest.mark.parametrize("index", range(len(VECTORS["chats"])))
def test_tokens_are_the_reference_s(chat: ChatTokens, index: int) -> None:
    vector = VECTORS["chats"][index]
    given = checked_messages((one["role"], one["content"]) for one in vector["messages"])
    assert chat.works
    assert chat.of(given) == vector["tokens"]


def test_a_spelled_marker_is_no_token(chat: ChatTokens) -> None:
    """The template writes three messages; the last vector's user spells two markers more."""
    messages = VECTORS["chats"][-1]["messages"]
    assert "<|im_end|>" in messages[-1]["content"]
    tokens = chat.of(messages)
    assert (tokens.count(1), tokens.count(2), tokens.count(0)) == (3, 2, 0)


def test_chance_alone_names_the_stand_ins(folder: Path) -> None:
    asked: list[int] = []

    def random(length: int) -> bytes:
        asked.append(length)
        return len(asked).to_bytes(length, "big")

    chat = chat_tokens(folder, VOCAB, BOS, random=random)
    assert set(asked) == {16}
    assert chat.of(VECTORS["chats"][0]["messages"]) == VECTORS["chats"][0]["tokens"]
