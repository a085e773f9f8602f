"""What subscribers ask for."""

from __future__ import annotations

import json

import pytest

from esper.events.log import TOPICS
from esper.events.requests import SubscribeError, Wanted, event_id, read_query, read_subscribe

ALL = frozenset(TOPICS)
BLOCKS = frozenset({"block"})


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"subscribe": ["block"]}, Wanted(BLOCKS)),
        ({"subscribe": ["block", "block"], "boot": None}, Wanted(BLOCKS)),
        ({"subscribe": list(TOPICS), "boot": "5f", "from": 0}, Wanted(ALL, "5f", 0)),
        ({"subscribe": ["block"], "boot": "5f", "from": 1 << 62}, Wanted(BLOCKS, "5f", 1 << 62)),
    ],
)
def test_a_message_is_read(asked: dict[str, object], wanted: Wanted) -> None:
    assert read_subscribe(json.dumps(asked)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        '{"subscribe": []}',
        '{"subscribe": "block"}',
        '{"subscribe": ["blocks"]}',
        '{"subscribe": [1]}',
        '{"subscribe": ["block"], "from": 1}',
        '{"subscribe": ["block"], "boot": "5f"}',
        '{"subscribe": ["block"], "boot": "5F", "from": 1}',
        '{"subscribe": ["block"], "boot": "", "from": 1}',
        '{"subscribe": ["block"], "boot": "5f\\n", "from": 1}',
        '{"subscribe": ["block"], "boot": "5f", "from": -1}',
        '{"subscribe": ["block"], "boot": "5f", "from": 1.5}',
        '{"subscribe": ["block"], "boot": "5f", "from": 9223372036854775808}',
        '{"subscribe": ["block"], "boot": "5f", "from": "1"}',
        '{"subscribe": ["block"], "other": 1}',
        '{"subscribe": ["block"]} {}',
        json.dumps({"subscribe": ["block"] * 33}),
        "[" * 4_096,
        '{"subscribe":' + "[" * 4_000,
        "\ud800",
        '{"subscribe": ["\ud800"]}',
    ],
)
def test_other_messages_are_refused_with_a_sentence_that_repeats_nothing(text: str) -> None:
    with pytest.raises(SubscribeError) as refused:
        read_subscribe(text)
    assert str(refused.value).isascii()
    assert "blocks" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "last", "wanted"),
    [
        ([], None, Wanted(ALL)),
        ([("topics", "block")], None, Wanted(BLOCKS)),
        ([("topics", "block")], "", Wanted(BLOCKS)),
        ([("topics", "block,tx_in")], "5f-17", Wanted(frozenset({"block", "tx_in"}), "5f", 18)),
    ],
)
def test_a_query_is_read(query: list[tuple[str, str]], last: str | None, wanted: Wanted) -> None:
    assert read_query(query, last) == wanted


@pytest.mark.parametrize(
    ("query", "last"),
    [
        ([("topics", "")], None),
        ([("topics", "block,")], None),
        ([("topics", "block,everything")], None),
        ([("topics", "block"), ("topics", "tx_in")], None),
        ([("from", "5")], None),
        ([("topics", ",".join(["block"] * 40))], None),
        ([], "17"),
        ([], "5f-"),
        ([], "5f-\u0661"),
        ([], "5f-1\n"),
        ([], "5f-" + "1" * 20),
        ([], "zz-1"),
    ],
)
def test_other_queries_are_refused(query: list[tuple[str, str]], last: str | None) -> None:
    with pytest.raises(SubscribeError):
        read_query(query, last)


def test_an_id_reads_back() -> None:
    assert read_query([], event_id("5f", 9)) == Wanted(ALL, "5f", 10)
