"""JSON of strangers costs no more than its length is worth."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from esper.rpc.strict_json import MAX_DEPTH, StrictJsonError, read_json

HOSTILE = {
    "quotes that are escaped": '\\"',
    "quotes": '"',
    "backslashes": "\\",
    "a string that does not end": '"' + "\\\\",
    "strings": '""',
    "an escape at the end of each": '"\\',
    "open brackets in strings": '"[',
    "closing brackets": "]",
    "open and closed": "[]",
    "digits": "1",
    "signs": "-",
    "exponents": "1e",
    "surrogates": "\\ud800",
    "blanks": " ",
}


def cost(data: bytes) -> float:
    """Seconds of the processor, the least of three times."""
    found = []
    for _ in range(3):
        began = time.process_time()
        with suppress(StrictJsonError):
            read_json(data)
        found.append(time.process_time() - began)
    return min(found)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("frame", ["{}", '["{}"]', '["{}'])
def test_no_text_takes_longer_than_its_length_is_worth(name: str, frame: str) -> None:
    # Thirty-two times the text: what grows with the square would take a thousand times as long.
    # The largest body of the node was a minute's work once.
    small, large = (
        cost(frame.replace("{}", HOSTILE[name] * number).encode()) for number in (1_000, 32_000)
    )
    assert large < 200 * small + 0.1, (small, large)


@pytest.mark.parametrize(
    "text",
    [
        "[" * MAX_DEPTH + '"' + "[" * 99 + '"' + "]" * MAX_DEPTH,
        "[" * MAX_DEPTH + '"\\"[[[\\\\"' + "]" * MAX_DEPTH,
        '["' + "]" * 99 + '"]',
        "[" + "[]," * 99 + "[]]",
    ],
)
def test_brackets_in_strings_are_no_levels(text: str) -> None:
    read_json(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
        '["\\\\",' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "]",
    ],
)
def test_deeper_levels_are_refused_before_they_are_read(text: str) -> None:
    with pytest.raises(StrictJsonError, match="deeper"):
        read_json(text.encode())
