"""The text of a benchmark: what is read, and every line that is refused, with its number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.dao.model_rules import MOST_ITEMS
from esper.model.benchmarks import text
from esper.model.benchmarks.errors import BenchmarkTextError
from esper.model.benchmarks.forms import ChoiceHead, ChoiceItem, ExactItem, JudgedHead, JudgedItem
from esper.model.benchmarks.own import OWN, benchmark_file
from esper.model.benchmarks.text import parse_text, read_text
from esper.model.errors import MissingFileError
from esper.primitives.hashing import make_tag, tagged_hash
from tests.support.benchmark_texts import CHOICE, EXACT, HEADS, ITEMS, JUDGED, lines_of

FORM = pytest.mark.parametrize("form", HEADS)


def refusal(content: bytes) -> BenchmarkTextError:
    with pytest.raises(BenchmarkTextError) as caught:
        parse_text(content)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_forms_are_read() -> None:
    choice = parse_text(lines_of(CHOICE, ITEMS["choice"]))
    assert choice.items == (ChoiceItem("the quick", ("b", "f", "o"), 0),)
    exact = parse_text(
        lines_of(
            EXACT | {"marker": "#"},
            ITEMS["exact"],
            {"question": "a", "answer": ["b", "c"], "marker": ":"},
        )
    )
    assert exact.items == (ExactItem("jumps over", ("dog",), "#"), ExactItem("a", ("b", "c"), ":"))
    judged = parse_text(lines_of(JUDGED, ITEMS["judged"]))
    assert judged.items == (JudgedItem("the lazy", "dog"),)
    assert isinstance(judged.head, JudgedHead)
    assert judged.head.labels == ("x", "y")


@FORM
def test_the_hash_is_that_of_the_file(form: str) -> None:
    content = lines_of(HEADS[form], ITEMS[form])
    wanted = tagged_hash(make_tag("esper/bench/text/v1"), content)
    assert parse_text(content).digest == wanted
    # The same values written otherwise are another text.
    spaced = content.replace(b'": ', b'":  ')
    assert parse_text(spaced).items == parse_text(content).items
    assert parse_text(spaced).digest != wanted


def test_a_template_is_filled_once() -> None:
    head = CHOICE | {
        "prompt": "Q: {question}\n{choices}A:",
        "choice": "{label}) {choice}\n",
        "labels": [" A", " B", " C"],
    }
    item = {"question": "is {choices} {question}?", "choices": ["{label}", "{choice}"], "answer": 1}
    read = parse_text(lines_of(head, item))
    assert isinstance(read.head, ChoiceHead)
    [one] = read.items
    assert isinstance(one, ChoiceItem)
    assert read.head.rendered(one) == ("Q: is {choices} {question}?\nA) {label}\nB) {choice}\nA:")
    assert read.head.spoken(one) == (" A", " B")


@pytest.mark.parametrize(
    ("content", "line", "named"),
    [
        (b"", 0, "is empty"),
        (lines_of(CHOICE), 0, "no items"),
        (b"\xef\xbb\xbf" + lines_of(CHOICE, ITEMS["choice"]), 1, "byte order mark"),
        (lines_of(CHOICE, ITEMS["choice"])[:-1], 2, "line break"),
        (lines_of(CHOICE, ITEMS["choice"]).replace(b"\n", b"\r\n"), 1, "LF alone"),
        (lines_of(CHOICE, ITEMS["choice"]) + b"\n", 3, "is blank"),
        (lines_of(CHOICE) + b" \t\n" + lines_of(ITEMS["choice"]), 2, "is blank"),
        (lines_of(CHOICE) + b"{\n", 2, "not JSON"),
        (lines_of(CHOICE) + b'{"a": "\xff"}\n', 2, "not UTF-8"),
        (lines_of(CHOICE) + b"[" * 60_000 + b"\n", 2, "nested deeper"),
        (lines_of(CHOICE) + b"[1]\n", 2, "JSON object"),
        (lines_of(CHOICE) + b"null\n", 2, "JSON object"),
        (lines_of(CHOICE, ITEMS["choice"]) + b'{"answer": NaN}\n', 3, "NaN"),
        (lines_of(CHOICE) + b'{"answer": 1, "answer": 2}\n', 2, "stands twice"),
        (lines_of(CHOICE) + b'{"question": "\\ud800"}\n', 2, "surrogate"),
        (lines_of(CHOICE) + b" " * text.MAX_LINE_BYTES + b"{}\n", 2, "bytes long"),
        (lines_of(CHOICE) + b"{}\n" * (MOST_ITEMS + 1), 0, "more than 16,384 items"),
        (b"\n" * text.MAX_TEXT_BYTES + b"\n", 0, "64 MiB"),
    ],
)
def test_a_file_of_another_form_is_refused(content: bytes, line: int, named: str) -> None:
    error = refusal(content)
    assert (error.line, named in str(error)) == (line, True), str(error)


@pytest.mark.parametrize(
    ("form", "changed", "field"),
    [
        ("choice", {"benchmark": 2}, "benchmark"),
        ("choice", {"benchmark": True}, "benchmark"),
        ("choice", {"benchmark": None}, "benchmark"),
        ("choice", {"form": "essay"}, "form"),
        ("choice", {"form": ["choice"]}, "form"),
        ("choice", {"name": ""}, "name"),
        ("choice", {"name": "n" * 129}, "name"),
        ("choice", {"source": None}, "source"),
        ("choice", {"licence": 7}, "licence"),
        ("choice", {"prompt": "no place"}, "prompt"),
        ("choice", {"prompt": "{question}{question}"}, "prompt"),
        ("choice", {"prompt": "{question}" + "x" * text.MAX_LONG}, "prompt"),
        ("choice", {"prompt": "{question} {choices}"}, "prompt"),
        ("choice", {"choice": "{choice}"}, "prompt"),
        ("choice", {"prompt": "{question}{choices}", "choice": "{label} {choice}"}, "choice"),
        ("choice", {"prompt": "{question}{choices}", "choice": "x"}, "choice"),
        ("choice", {"labels": ["A", "B"]}, "labels"),
        ("choice", {"labels": ["A"]}, "labels"),
        ("choice", {"labels": ["A", "A"]}, "labels"),
        ("choice", {"labels": "AB"}, "labels"),
        ("choice", {"limit": 4}, "limit"),
        ("exact", {"limit": 0}, "limit"),
        ("exact", {"limit": 129}, "limit"),
        ("exact", {"limit": True}, "limit"),
        ("exact", {"limit": 4.0}, "limit"),
        ("exact", {"limit": None}, "limit"),
        ("exact", {"ends": None}, "ends"),
        ("exact", {"ends": [""]}, "ends"),
        ("exact", {"ends": ["."] * 2}, "ends"),
        ("exact", {"ends": [str(i) for i in range(9)]}, "ends"),
        ("exact", {"marker": "m" * 129}, "marker"),
        ("exact", {"marker": 1}, "marker"),
        ("exact", {"labels": ["x", "y"]}, "labels"),
        ("judged", {"joints": ["a", "b", "c"]}, "joints"),
        ("judged", {"joints": ["a", "b", "c", 4]}, "joints"),
        ("judged", {"labels": ["x"]}, "labels"),
        ("judged", {"labels": ["x", "x"]}, "labels"),
        ("judged", {"judge": "me"}, "judge"),
    ],
)
def test_a_wrong_head_is_refused(form: str, changed: dict[str, Any], field: str) -> None:
    head = {k: v for k, v in (HEADS[form] | changed).items() if v is not None}
    error = refusal(lines_of(head, ITEMS[form]))
    assert error.line == 1
    assert f"field '{field}'" in str(error)
    assert "expected" in str(error)


@pytest.mark.parametrize(
    ("form", "changed", "field"),
    [
        ("choice", {"question": ""}, "question"),
        ("choice", {"question": None}, "question"),
        ("choice", {"question": ["q"]}, "question"),
        ("choice", {"choices": ["a"]}, "choices"),
        ("choice", {"choices": ["a", "a"]}, "choices"),
        ("choice", {"choices": ["a", ""]}, "choices"),
        ("choice", {"choices": ["a", 2]}, "choices"),
        ("choice", {"choices": [str(i) for i in range(27)]}, "choices"),
        ("choice", {"choices": {"a": 1}}, "choices"),
        ("choice", {"answer": 3}, "answer"),
        ("choice", {"answer": -1}, "answer"),
        ("choice", {"answer": "b"}, "answer"),
        ("choice", {"answer": True}, "answer"),
        ("choice", {"answer": 1.0}, "answer"),
        ("choice", {"answer": None}, "answer"),
        ("choice", {"why": "because"}, "why"),
        ("exact", {"answer": ""}, "answer"),
        ("exact", {"answer": 72}, "answer"),
        ("exact", {"answer": []}, "answer"),
        ("exact", {"answer": ["a", "b", "c"]}, "answer"),
        ("exact", {"answer": None}, "answer"),
        ("exact", {"marker": ["#"]}, "marker"),
        ("exact", {"choices": ["a", "b"]}, "choices"),
        ("judged", {"reference": ""}, "reference"),
        ("judged", {"reference": None}, "reference"),
        ("judged", {"answer": "x"}, "answer"),
    ],
)
def test_a_wrong_item_is_refused_with_its_line(
    form: str, changed: dict[str, Any], field: str
) -> None:
    item = {k: v for k, v in (ITEMS[form] | changed).items() if v is not None}
    error = refusal(lines_of(HEADS[form], ITEMS[form], item, ITEMS[form]))
    assert error.line == 3
    assert f"field '{field}'" in str(error)
    assert "expected" in str(error)


def test_more_choices_than_labels_are_refused() -> None:
    head = CHOICE | {
        "prompt": "{question}{choices}",
        "choice": "{label}{choice}",
        "labels": ["A", "B"],
    }
    assert "a list of 2 texts" in str(refusal(lines_of(head, ITEMS["choice"])))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no-such"):
        read_text(tmp_path / "no-such")
    with pytest.raises(MissingFileError, match="directory"):
        read_text(tmp_path)
    (tmp_path / "b").write_bytes(b"{}\n")
    with pytest.raises(BenchmarkTextError, match=r"b: line 1: field 'benchmark'"):
        read_text(tmp_path / "b")


words = st.text(max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | words,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(sorted({name for head in HEADS.values() for name in head} | {"answer"}))


@given(
    st.sampled_from(sorted(HEADS)), st.dictionaries(names, values), st.dictionaries(names, values)
)
def test_any_fields_are_read_or_refused_with_a_line(
    form: str, of_head: dict[str, Any], of_item: dict[str, Any]
) -> None:
    content = lines_of(HEADS[form] | of_head, ITEMS[form] | of_item)
    said = ""
    try:
        items = len(parse_text(content).items)
    except BenchmarkTextError as error:
        items, said = error.line, str(error)
    assert items in (1, 2)
    assert len(said) < 500


@given(st.lists(st.binary(max_size=12), max_size=4), st.sampled_from(sorted(HEADS)))
def test_any_bytes_are_read_or_refused(pieces: list[bytes], form: str) -> None:
    for content in (b"\n".join(pieces), lines_of(HEADS[form]) + b"\n".join(pieces)):
        with pytest.raises(BenchmarkTextError):
            parse_text(content)


@pytest.mark.parametrize("name", OWN)
def test_ours_are_read_and_say_whose_they_are(name: str) -> None:
    read = read_text(benchmark_file(name))
    assert (read.head.name, read.head.licence) == (name, "CC0-1.0")
    assert "Written for Esperchain" in read.head.source
    questions = [one.question for one in read.items]
    assert len(set(questions)) == len(questions)


def test_a_file_of_that_name_goes_before_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert benchmark_file("own-choice").suffix == ".jsonl"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own-choice").write_text("{}")
    assert benchmark_file("own-choice") == Path("own-choice")
    assert benchmark_file("other.jsonl") == Path("other.jsonl")


def test_right_choices_stand_everywhere() -> None:
    lines = benchmark_file("own-choice").read_text().splitlines()[1:]
    places = [json.loads(line)["answer"] for line in lines]
    assert {places.count(place) for place in range(4)} == {30}
