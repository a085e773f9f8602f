"""Texts of strangers, as pages show them."""

import pytest

from esper.explorer import visible as v


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("Grüße, 世界 \U0001f600", "Grüße, 世界 \U0001f600"),
        ("a\x00b", "a\\x00b"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\r", "\\x0d"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\u202egnp\u2066", "\\u202egnp\\u2066"),
        ("\u061c\u200e\u200f", "\\u061c\\u200e\\u200f"),
        ("\u2028\u2029\ufeff", "\\u2028\\u2029\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\ue000", "\\ue000"),
        ("\U000e0041", "\\U000e0041"),
        ("\u200d\u200c", "\u200d\u200c"),
    ],
)
def test_what_has_no_shape_is_an_escape(text: str, seen: str) -> None:
    assert v.visible(text) == seen


def test_long_texts_are_cut_and_folded() -> None:
    assert v.shown("a" * v.MOST_SHOWN) == "a" * v.MOST_SHOWN
    assert v.shown("a" * (v.MOST_SHOWN + 3)).endswith("a … 3 characters more")
    assert not v.is_long("a" * v.FOLDED)
    assert v.is_long("a" * (v.FOLDED + 1))
    assert not v.is_long("\n" * v.FOLDED_LINES)
    assert v.is_long("\n" * (v.FOLDED_LINES + 1))
    assert v.beginning("one\n two\u202e") == "one two\\u202e"
    assert v.beginning("a" * (v.FOLDED + 1)) == "a" * v.FOLDED + " …"


def test_amounts() -> None:
    assert v.count("1234567") == "1,234,567"
    assert v.counted(1, "call") == "1 call"
    assert v.counted(1200, "call") == "1,200 calls"
    assert v.esp(0) == "0 ESP"
    assert v.size(999) == "999 B"
    assert v.size(1_000) == "1.0 kB"
    assert v.size(2_500_000) == "2.5 MB"
    assert v.size(2_500_000_000) == "2.5 GB"
    assert v.per_mille(125) == "12.5 %"
    assert v.fraction(1, 8) == "12.5 %"
    assert v.fraction(1, 0) == "–"


def test_times_of_miners_may_be_any_number() -> None:
    assert v.moment(0) == "1970-01-01 00:00:00"
    assert v.machine_moment(0) == "1970-01-01T00:00:00Z"
    assert v.moment(1 << 63) == f"{1 << 63} ms"
    assert [v.duration(1000 * one) for one in (-5, 59, 60, 200, 3600, 90_000)] == [
        "0 s", "59 s", "1 min", "3 min 20 s", "1 h", "1 d 1 h",
    ]  # fmt: skip
