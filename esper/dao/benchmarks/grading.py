"""Right or wrong: what an answer is worth, by the form of its item.

choice  the first listed id that is one of the choices is the expected one
text    what follows the last marker begins with something expected, and ends there or goes on
        with an id of ``choices``
judged  the judge says choices[0] where the answer stands first, and choices[1] where it stands
        second
"""

from collections.abc import Sequence

from esper.dao.benchmarks.item import Item
from esper.primitives.work_outputs import Candidate


def chosen(listed: Sequence[Candidate], choices: Sequence[int]) -> int | None:
    """The first listed id that is one of the choices, None if none of them is listed."""
    return next((one.token for one in listed if one.token in choices), None)


def choice_is_right(item: Item, listed: Sequence[Candidate]) -> bool:
    """Of an item that ``fitting.is_gradable``: ``listed`` are the candidates of its one token."""
    return chosen(listed, item.choices) == item.expected[0][0]


def text_is_right(item: Item, text: Sequence[int]) -> bool:
    """``text`` is the answer without EOS."""
    said = _after_marker(tuple(text), item.marker)
    return said is not None and any(_says(said, one, item.choices) for one in item.expected)


def judged_is_right(item: Item, first: Sequence[Candidate], second: Sequence[Candidate]) -> bool:
    """Of an item that ``fitting.is_gradable``.

    The lists are the judge's, with the answer in the first place, and in the second.
    """
    return (
        chosen(first, item.choices) == item.choices[0]
        and chosen(second, item.choices) == item.choices[1]
    )


def _after_marker(text: tuple[int, ...], marker: tuple[int, ...]) -> tuple[int, ...] | None:
    if not marker:
        return text
    for start in range(len(text) - len(marker), -1, -1):
        if text[start : start + len(marker)] == marker:
            return text[start + len(marker) :]
    return None


def _says(said: tuple[int, ...], expected: tuple[int, ...], ends: tuple[int, ...]) -> bool:
    if said[: len(expected)] != expected:
        return False
    rest = said[len(expected) :]
    return not rest or rest[0] in ends
