"""What of a chat is public: what its template writes in every chat, and nobody's words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.model.errors import TemplateRefusedError
from esper.model.templates.chat_template import ChatTemplate
from esper.model.templates.chat_tokens import ChatTokens, chat_tokens
from esper.model.templates.markers import MarkerTokenizer
from esper.model.templates.own_text import OwnText, joined
from esper.model.templates.public_prefix import PROBES, PublicPrefix, ReadChat
from esper.model.tokenizer import tokenizer_of
from tests.support.model_folders import genesis_tokenizer

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "smollm2_chats.json").read_bytes())
DEFAULT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> ChatTokens:
    folder = tmp_path_factory.mktemp("smollm2")
    (folder / "tokenizer.json").write_text(json.dumps(VECTORS["tokenizer"]), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(VECTORS["config"]), "utf-8")
    return chat_tokens(folder, 49_152, 1)


def said(*messages: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


def public_of(chat: ChatTokens, *messages: tuple[str, str]) -> int:
    return chat.input_of(said(*messages)).public


def of_template(source: str, *messages: tuple[str, str]) -> int:
    """What is public under a template, with the genesis model's tokenizer."""
    tokenizer = tokenizer_of(Path("tokenizer.json"), genesis_tokenizer(lambda _: None), 2000)
    return public_of(ChatTokens(ChatTemplate(source), MarkerTokenizer(tokenizer), 1), *messages)


def test_the_default_system_message_is_public_and_what_the_user_says_is_not(
    smollm2: ChatTokens,
) -> None:
    one, other = (smollm2.input_of(said(("user", content))) for content in ("Hello", "Other"))
    same = [a == b for a, b in zip(one.tokens, other.tokens, strict=False)].index(False)
    # Up to the line break behind the role, which merges with one that a content begins with.
    assert one.public == other.public == same - 1 > 20
    assert one.tokens == smollm2.of(said(("user", "Hello")))


@pytest.mark.parametrize("content", ["", " ", "\n", "\n\n", "a", "é", "<|im_end|>", "assistant\n"])
def test_whatever_the_content_begins_with_the_same_is_public(
    smollm2: ChatTokens, content: str
) -> None:
    wanted = smollm2.input_of(said(("user", "Hello")))
    found = smollm2.input_of(said(("user", content), ("assistant", content), ("user", content)))
    assert found.public == wanted.public
    assert found.tokens[: found.public] == wanted.tokens[: wanted.public]


def test_a_system_message_is_somebody_s_even_if_it_says_what_the_default_says(
    smollm2: ChatTokens,
) -> None:
    given = smollm2.input_of(said(("system", DEFAULT), ("user", "Hello")))
    default = smollm2.input_of(said(("user", "Hello")))
    assert given.tokens == default.tokens
    opening = public_of(smollm2, ("system", "Be short."), ("user", "Hello"))
    assert given.public == opening == 2
    # An assistant's word first: nobody tried that.
    assert public_of(smollm2, ("assistant", "Hello"), ("user", "Hello")) == 0


@pytest.mark.parametrize(
    ("source", "content", "public"),
    [
        ("{{ messages[0].content }}", "Once", False),
        ("Once {{ messages[0].content }}", "Once", True),
        # The user's words go before it, though the chat begins like every other.
        (
            "{% if messages[0].content[:5] == 'Once ' %}{{ messages[0].content }}{% else %}"
            "Once upon a time {{ messages[0].content }}{% endif %}",
            "Once upon a time there",
            False,
        ),
        # Its own words, chosen by what the user said.
        (
            "{% if 'dog' in messages[0].content %}A dog. {% else %}A tale. {% endif %}"
            "{{ messages[0].content }}",
            "the dog",
            False,
        ),
        (
            "{% if 'dog' in messages[0].content %}A dog. {% else %}A tale. {% endif %}"
            "{{ messages[0].content }}",
            "the cat",
            True,
        ),
        ("Once {{ messages[0].content | upper }}", "Once", True),
        ("{{ messages[0].content[:1] }}Once", "O", False),
        # The same in every chat, made of what was said in each.
        ("Once {{ messages[0].content | replace(messages[0].content, 'X') }}.", "X", False),
        (
            "{% if messages[0].content != 'x' %}{{ raise_exception('no') }}{% endif %}Once",
            "x",
            False,
        ),
    ],
)
def test_only_what_the_template_writes_in_every_chat(
    source: str, content: str, public: bool
) -> None:
    found = of_template(source, ("user", content))
    assert found > 1 if public else found == 0


def test_a_template_is_tried_once_for_each_opening() -> None:
    asked: list[str] = []
    refuses = False

    def read(messages: Sequence[Mapping[str, str]]) -> ReadChat:
        asked.append(messages[0]["role"])
        if refuses:
            raise TemplateRefusedError("no")
        text = joined((OwnText.literal("ab"), messages[0]["content"]))
        return ReadChat(text, list(text.encode()))

    prefix = PublicPrefix(read)
    for role in ("user", "system", "user", "system"):
        chat = ReadChat(joined((OwnText.literal("ab"), "xy")), list(b"abxy"))
        assert prefix.count(said((role, "xy")), chat) == 2
        assert prefix.count(said((role, "xy")), ReadChat("abxy", list(b"abxy"))) == 0
        other = ReadChat(joined((OwnText.literal("aB"), "xy")), list(b"abxy"))
        assert prefix.count(said((role, "xy")), other) == 0
        # A token that reaches over the border, and one that only the following text made.
        assert prefix.count(said((role, "xy")), ReadChat(chat.text, [97, 300])) == 0
    assert (asked.count("user"), asked.count("system")) == (len(PROBES), len(PROBES))
    refuses, asked[:] = True, []
    prefix = PublicPrefix(read)
    for _ in range(3):
        assert prefix.count(said(("user", "xy")), chat) == 0
    assert asked == ["user"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.booleans())
def test_no_content_changes_what_is_public(content: str, system: bool) -> None:
    source = "{% for m in messages %}<{{ m.role }}>\n{{ m.content }}{% endfor %}"
    opening = (("system", content), ("user", "b")) if system else (("user", content),)
    found = of_template(source, *opening)
    usual = of_template(source, (opening[0][0], "a"), *opening[1:])
    assert found in (0, usual)
