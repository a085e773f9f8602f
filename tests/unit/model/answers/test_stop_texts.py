"""Stop texts: the first that is complete ends the text, however it comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.model.answers.stop_texts import StopTexts, checked_stops
from esper.model.errors import InvalidFieldError

ALPHABET = st.text(alphabet="ab", min_size=1, max_size=5)


def by_hand(text: str, stops: list[str]) -> tuple[str, str | None]:
    """The definition, without automata."""
    for end in range(len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            stop = max(found, key=len)
            return text[: end - len(stop)], stop
    return text, None


@given(pieces=st.lists(st.text(alphabet="ab", max_size=4)), stops=st.lists(ALPHABET, max_size=4))
def test_the_first_complete_stop_cuts_the_text(pieces: list[str], stops: list[str]) -> None:
    machine = StopTexts(stops)
    shown = "".join(map(machine.add, pieces))
    wanted, stop = by_hand("".join(pieces), stops)
    assert wanted.startswith(shown)
    assert shown + machine.end() == wanted
    assert machine.found == stop


def test_what_may_be_a_stop_waits() -> None:
    machine = StopTexts(["Tim", "aaab"])
    assert [machine.add(one) for one in ("a T", "i", "T", "im", "x")] == ["a ", "", "Ti", "", ""]
    assert machine.found == "Tim"
    assert machine.end() == ""


def test_no_more_waits_than_could_be_a_stop() -> None:
    machine = StopTexts(["aaab"])
    assert machine.add("aaaaaa") == "aaa"
    assert machine.add("c") == "aaac"
    assert machine.add("aa") == ""
    assert machine.end() == "aa"


@pytest.mark.parametrize(
    ("stops", "field"),
    [
        (["a"] * 5, "stop"),
        (["a", ""], r"stop\[1\]"),
        (["a" * 65], r"stop\[0\]"),
        (["\ud800"], r"stop\[0\]"),
    ],
)
def test_stops_that_are_none_are_named(stops: list[str], field: str) -> None:
    with pytest.raises(InvalidFieldError, match=f"field '{field}'"):
        checked_stops(stops)
    with pytest.raises(InvalidFieldError):
        StopTexts(stops)


def test_the_longest_stops_are_taken() -> None:
    assert checked_stops(["é" * 64] * 4) == ("é" * 64,) * 4


def test_of_stops_that_end_together_the_longest_cuts() -> None:
    for stops in (["b", "ab"], ["ab", "b"]):
        machine = StopTexts(stops)
        assert (machine.add("xab"), machine.found) == ("x", "ab")
