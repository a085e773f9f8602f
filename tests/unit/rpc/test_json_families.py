"""Texts of JSON by families: what is read, what is refused, and what readers differ in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from esper.rpc.strict_json import (
    MAX_BRACKETS,
    MAX_DEPTH,
    MAX_DIGITS,
    StrictJsonError,
    read_json,
)

READ: dict[str, tuple[bytes, Any]] = {
    # --- values that stand alone, and blanks around them
    "null alone": (b"null", None),
    "true alone": (b"true", True),
    "number alone": (b"42", 42),
    "minus one alone": (b"-1", -1),
    "string alone": (b'"a"', "a"),
    "empty string alone": (b'""', ""),
    "blanks around": (b" \t\r\n[ ] \n", []),
    "blanks within": (b'{ "a" \t:\n1 , "b": [ 1 , 2 ] }', {"a": 1, "b": [1, 2]}),
    # --- arrays and objects
    "empty object": (b"{}", {}),
    "an empty key": (b'{"":0}', {"": 0}),
    "a key of NUL": (b'{"a\\u0000b":0}', {"a\0b": 0}),
    "values of all kinds": (b'[null,1,"1",{},[],false]', [None, 1, "1", {}, [], False]),
    "a long key": (b'{"' + b"k" * 5_000 + b'":1}', {"k" * 5_000: 1}),
    "arrays of arrays": (b"[[[],[[]]],[]]", [[[], [[]]], []]),
    # --- numbers
    "nought": (b"[0]", [0]),
    "minus nought": (b"[-0]", [0]),
    "minus nought as a fraction": (b"[-0.0]", [-0.0]),
    "fraction": (b"[123.456789]", [123.456789]),
    "close to nought": (b"[-0.000000000000000000000000000001]", [-1e-30]),
    "exponent": (b"[1e2,1E2,1e+2,1E-2,0e1,1.5e3]", [100.0, 100.0, 100.0, 0.01, 0.0, 1500.0]),
    "below the least double": (b"[1e-999]", [0.0]),
    "64 bits": (b"[18446744073709551615]", [(1 << 64) - 1]),
    "beyond 64 bits": (b"[-18446744073709551617]", [-(1 << 64) - 1]),
    "as many digits as may be": (b"1" * MAX_DIGITS, int("1" * MAX_DIGITS)),
    "as many characters as may be": (b"0." + b"1" * (MAX_DIGITS - 2), 0.1111111111111111),
    # --- strings
    "escapes": (b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\/\b\f\n\r\t'),
    "escaped letters": (b'"\\u0061\\u30af\\u00E9"', "a\u30af\xe9"),
    "a pair of surrogates": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "a pair of great letters": (b'"\\uD83D\\uDE00"', "\U0001f600"),
    "a backslash and a u": (b'"\\\\u0000"', "\\u0000"),
    "no character": (b'"\\uffff\\ufdd0"', "\uffff\ufdd0"),
    "a byte order mark within": (b'"\xef\xbb\xbf"', "\ufeff"),
    "a delete": (b'"\x7f"', "\x7f"),
    "line separators": (b'"\xe2\x80\xa8\xe2\x80\xa9"', "\u2028\u2029"),
    "comments within": (b'"/*//*/#"', "/*//*/#"),
    "brackets within": (b'"' + b"[{" * 500 + b'"', "[{" * 500),
    "digits within": (b'"' + b"1" * 500 + b'"', "1" * 500),
    "digits on both sides of a string": (
        b"[%b,%b]" % (b"1" * 30, b"2" * 30),
        [int("1" * 30), int("2" * 30)],
    ),
    "UTF-8 of every length": ('"\x24\xa2\u20ac\U00010348"'.encode(), "$\xa2\u20ac\U00010348"),
    # --- limits of ours
    "as deep as may be": (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
    "as many brackets as may be": (b"[" + b",".join([b"{}"] * (MAX_BRACKETS - 1)) + b"]", None),
}
"""Text, and its value; None where another reader says it."""

REFUSED: dict[str, bytes] = {
    # --- what is not there, and what is too much
    "nothing": b"",
    "blanks": b" \n",
    "a number behind": b"1 2",
    "two objects": b"{}{}",
    "a bracket behind": b"[]]",
    "a brace behind": b"{}}",
    "a comment behind": b"{}/**/",
    "a comment before": b"//a\n{}",
    "a hash": b"{}#",
    "a NUL behind": b"{}\x00",
    "a semicolon": b"[1;2]",
    # --- arrays
    "a comma behind the last": b"[1,]",
    "two commas": b"[1,,2]",
    "a comma alone": b"[,]",
    "a comma first": b"[,1]",
    "no comma": b"[1 2]",
    "no comma between strings": b'["a" "b"]',
    "a colon for a comma": b"[1:2]",
    "no end": b"[1",
    "no end behind a comma": b"[1,",
    "no end of many": b"[[[[[",
    "another end": b"[1}",
    "an end alone": b"]",
    "many ends": b"]" * 9,
    # --- objects
    "a comma behind the last member": b'{"a":1,}',
    "no value": b'{"a":}',
    "no colon": b'{"a" 1}',
    "a comma for a colon": b'{"a",1}',
    "two colons": b'{"a"::1}',
    "a key without quotes": b"{a:1}",
    "a key in single quotes": b"{'a':1}",
    "a number for a key": b"{1:1}",
    "null for a key": b"{null:1}",
    "an object without its end": b'{"a":1',
    "a bracket for the end": b'{"a":1]',
    "two commas between members": b'{"a":1,,"b":2}',
    "a brace alone": b"{",
    # --- numbers
    **{
        f"the number {text}": text.encode()
        for text in (
            "+1", "01", "-01", "00", "-", "--1", "-+1", "1.", ".5", "-.5", "1.e1", "1e", "1e+",
            "1E-", "1ee2", "1e1.5", "0x1", "0b1", "0o7", "1_000", "1,000", "1 000", "1f", "1L",
            "1/2", "1+2", "0.1.2", "NaN", "nan", "-NaN", "Infinity", "-Infinity", "+Infinity",
            "inf", "1e999", "-1e999", "\uff11", "\u0661", "1\u00a0",
        )
    },
    "too many digits": b"1" * (MAX_DIGITS + 1),
    "too many digits of a fraction": b"0." + b"1" * (MAX_DIGITS - 1),
    "too many digits of an exponent": b"1e" + b"0" * MAX_DIGITS,
    "too many digits within": b'{"a":[-' + b"9" * MAX_DIGITS + b"]}",
    # --- words
    **{
        f"the word {text}": text.encode()
        for text in ("nul", "nulll", "Null", "NULL", "tru", "True", "fals", "None", "a")
    },
    # --- strings
    "no end of a string": b'"a',
    "a quote alone": b'"',
    "single quotes": b"'a'",
    "a backslash at the end": b'"\\',
    "a backslash before the quote": b'"\\"',
    "an escape that is none": b'"\\a"',
    "an escaped NUL": b'"\\\x00"',
    "an escape by x": b'"\\x41"',
    "an escape of no digits": b'"\\u"',
    "an escape of three digits": b'"\\u041"',
    "an escape of other digits": b'"\\u00g1"',
    "an escape with a sign": b'"\\u+041"',
    "an escape with blanks": b'"\\u 041"',
    "an escape of other scripts": '"\\u\uff10\uff10\uff14\uff11"'.encode(),
    "an escaped line end": b'"\\\n"',
    "a great U": b'"\\U00000041"',
    "half of a pair": b'"\\ud800"',
    "the second half of a pair": b'"\\udc00"',
    "two first halves": b'"\\ud800\\ud800"',
    "the halves turned round": b'"\\udc00\\ud800"',
    "half of a pair in a key": b'{"\\ud800":1}',
    "half of a pair deep inside": b'[[[{"a":["\\udfff"]}]]]',
    "half of a pair and a letter": b'"\\ud800a"',
    "an escape that breaks off in a pair": b'"\\ud83d\\u"',
    **{f"the control character {code}": b'"%c"' % code for code in (0, 7, 9, 10, 13, 27, 31)},
    # --- bytes
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half of a byte order mark": b"\xef\xbb{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-16, no mark": "{}".encode("utf-16-be"),
    "UTF-32": "{}".encode("utf-32-le"),
    "Latin-1": b'"\xe9"',
    "a letter of too many bytes": b'"\xc0\xaf"',
    "a letter of five bytes": b'"\xf8\x88\x80\x80\x80"',
    "a letter beyond the last": b'"\xf4\xbf\xbf\xbf"',
    "half of a letter": b'"\xe2\x82"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a byte that goes on": b'"\x80"',
    "a blank of another kind": b"\xc2\xa0{}",
    "a blank of no width": b"[\xe2\x80\x8b]",
    "a form feed": b"[\x0c]",
    "a vertical tab": b"[\x0b]",
    # --- two meanings, and limits of ours
    "a key twice": b'{"a":1,"a":2}',
    "a key twice, the same value": b'{"a":1,"a":1}',
    "a key twice, written differently": b'{"a":1,"\\u0061":2}',
    "a key twice deep inside": b'[{"b":{"a":1,"c":2,"a":3}}]',
    "an empty key twice": b'{"":1,"":1}',
    "a level too deep": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "objects a level too deep": b'{"":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    "both a level too deep": b'[{"":' * 17 + b"1" + b"}]" * 17,
    "far too deep": b"[" * 100_000,
    "far too deep, with strings": b'["",' * 50_000,
    "far too deep behind an end": b"]" * 100 + b"[" * 100_000,
    "objects far too deep": b'{"":' * 100_000,
    "too many brackets": b"[" + b",".join([b"{}"] * MAX_BRACKETS) + b"]",
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_the_grammar_allows_is_read(name: str) -> None:
    text, value = READ[name]
    found = read_json(text)
    expected = json.loads(text) if value is None else value
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_does_not_or_may_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(StrictJsonError) as caught:
        read_json(REFUSED[name])
    assert 0 < len(str(caught.value)) < 200


@pytest.mark.parametrize("name", [name for name in READ if not name.startswith("as ")])
def test_a_text_that_is_read_is_read_as_part_of_another(name: str) -> None:
    text, _ = READ[name]
    assert read_json(b'{"id": [' + text + b"]}") == {"id": [read_json(text)]}


@pytest.mark.parametrize("depth", range(MAX_DEPTH - 2, MAX_DEPTH + 3))
def test_levels_are_counted_wherever_they_stand(depth: int) -> None:
    deep = b"[" * (depth - 1) + b"]" * (depth - 1)
    for text in (
        b"[%b]" % deep,
        b"[[],%b,[]]" % deep,
        b'{"a":{"]":"["},"b":%b}' % deep,
        b'["[[[",%b,"]]]"]' % deep,
    ):
        if depth <= MAX_DEPTH:
            read_json(text)
        else:
            with pytest.raises(StrictJsonError, match="deeper"):
                read_json(text)
