"""Messages of strangers: how many, how long, of whom."""

from __future__ import annotations

import pytest

from esper.model.errors import InvalidFieldError
from esper.model.templates.chat_messages import LONGEST_CHAT, MOST_MESSAGES, checked_messages


def test_developer_is_another_word_for_system() -> None:
    given = [("system", "a"), ("developer", "b"), ("user", "c"), ("assistant", "")]
    assert [tuple(one.values()) for one in checked_messages(given)] == [
        ("system", "a"),
        ("system", "b"),
        ("user", "c"),
        ("assistant", ""),
    ]


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "messages"),
        ([("user", "a")] * (MOST_MESSAGES + 1), "messages"),
        ([("user", "a"), ("tool", "secret")], r"messages\[1\].role"),
        ([("x" * 9999, "secret")], r"messages\[0\].role"),
        ([("user", "secret\ud800")], r"messages\[0\].content"),
        ([("user", "é" * (LONGEST_CHAT // 2)), ("user", "a")], "messages"),
    ],
)
def test_what_is_not_taken_is_named(messages: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(InvalidFieldError, match=f"field '{field}'") as refused:
        checked_messages(messages)
    assert "secret" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_most_is_taken() -> None:
    assert len(checked_messages([("user", "a" * 1024)] * MOST_MESSAGES)) == MOST_MESSAGES
