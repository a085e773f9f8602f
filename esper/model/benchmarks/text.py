"""The text of a benchmark: a file of JSON lines, read strictly.

The first line is the head, every further one an item. A text has one form and one hash:

    digest = H(esper/bench/text/v1, the file)

so whatever reads otherwise is refused rather than put right: a byte order mark, line ends of two
characters, a last line without an end, blank lines, unknown fields, numbers for texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Final

from esper.dao.model_rules import MOST_ITEMS
from esper.model.benchmarks.errors import BenchmarkTextError
from esper.model.benchmarks.forms import (
    CHOICE,
    CHOICES,
    LABEL,
    QUESTION,
    BenchmarkText,
    ChoiceHead,
    ChoiceItem,
    ExactHead,
    ExactItem,
    Head,
    JudgedHead,
    JudgedItem,
    TextItem,
)
from esper.model.files.json_file import open_ordinary, parse_json, read_up_to
from esper.primitives.hashing import make_tag, tagged_hash

TAG_TEXT: Final = make_tag("esper/bench/text/v1")
TEXT_VERSION: Final = 1
MAX_TEXT_BYTES: Final = 64 << 20
MAX_LINE_BYTES: Final = 64 << 10
MAX_SHORT: Final = 128
"""Characters of a name, a licence, a label, a marker or an end."""
MAX_LONG: Final = 32 << 10
"""Characters of any other text."""
LEAST_CHOICES, MOST_CHOICES = 2, 26
MOST_ANSWERS: Final = 2
MOST_ENDS: Final = 8
MOST_LIMIT: Final = 128
"""Tokens of an answer that a proof may be about."""
_SHOWN: Final = 60
_FORMS: Final = ("choice", "exact", "judged")
_REMEDY: Final = "name the file of a benchmark: JSON lines, the head first"


def read_text(path: Path) -> BenchmarkText:
    """Read a benchmark's text. Raises MissingFileError and, naming the line, BenchmarkTextError."""
    with open_ordinary(path, _REMEDY) as file:
        content = read_up_to(file, MAX_TEXT_BYTES)
    try:
        return parse_text(content)
    except BenchmarkTextError as error:
        raise error.of(path) from error


def parse_text(content: bytes) -> BenchmarkText:
    """Parse a benchmark's text. Raises BenchmarkTextError with the first line that is wrong."""
    lines = _lines(content)
    number, line = next(lines)
    head = _told(number, _head, _fields(number, line))
    read = _ITEMS[type(head)]
    items = [_told(n, lambda fields: read(fields, head), _fields(n, one)) for n, one in lines]
    if not items:
        raise BenchmarkTextError(0, "has a head and no items; write one to a line below it")
    return BenchmarkText(head, tuple(items), tagged_hash(TAG_TEXT, content))


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers from 1, without their ends."""
    if len(content) > MAX_TEXT_BYTES:
        raise BenchmarkTextError(
            0, f"is longer than {MAX_TEXT_BYTES >> 20} MiB; make two benchmarks of it"
        )
    if content.count(b"\n") > MOST_ITEMS + 1:
        raise BenchmarkTextError(
            0, f"has more than {MOST_ITEMS:,} items; make two benchmarks of it"
        )
    if not content:
        raise BenchmarkTextError(0, "is empty; its first line is the head of a benchmark")
    if not content.endswith(b"\n"):
        last = content.count(b"\n") + 1
        raise BenchmarkTextError(last, "does not end with a line break: it may be cut off; add one")
    for number, line in enumerate(content[:-1].split(b"\n"), start=1):
        if len(line) > MAX_LINE_BYTES:
            raise BenchmarkTextError(
                number, f"is {len(line):,} bytes long, at most {MAX_LINE_BYTES:,}; shorten it"
            )
        if line.endswith(b"\r"):
            raise BenchmarkTextError(
                number, "ends in CR LF; save the file with line ends of LF alone"
            )
        if not line.strip():
            raise BenchmarkTextError(number, "is blank; leave it out")
        yield number, line


def _fields(number: int, line: bytes) -> dict[str, Any]:
    try:
        value = parse_json(line)
    except ValueError as error:
        # The parser saw a single line, and would call each the first.
        raise BenchmarkTextError(
            number, str(error).replace(": line 1 column", ": column")
        ) from error
    if not isinstance(value, dict):
        raise BenchmarkTextError(number, f"is {_brief(value)}; write a JSON object")
    return value


def _told(number: int, read: Callable[[dict[str, Any]], Any], fields: dict[str, Any]) -> Any:
    """What ``read`` makes of a line's fields; what it refuses is of this line."""
    try:
        return read(fields)
    except _FieldError as error:
        raise BenchmarkTextError(number, str(error)) from error


class _FieldError(ValueError):
    """A field of a line that is wrong, in words."""

    def __init__(self, field: str, got: object, expected: str) -> None:
        super().__init__(f"field '{field}' is {_brief(got)}; expected {expected}")


def _head(fields: dict[str, Any]) -> Head:
    version = fields.get("benchmark")
    if type(version) is not int or version != TEXT_VERSION:
        raise _FieldError("benchmark", version, f"{TEXT_VERSION}, in the first line of the file")
    form = fields.get("form")
    if form not in _FORMS:
        raise _FieldError("form", form, f"one of {', '.join(_FORMS)}")
    common = {"benchmark", "form", "name", "source", "licence", "prompt"}
    told = {
        "name": _text(fields, "name", MAX_SHORT),
        "source": _text(fields, "source"),
        "licence": _text(fields, "licence", MAX_SHORT),
        "prompt": _text(fields, "prompt"),
    }
    if told["prompt"].count(QUESTION) != 1:
        raise _FieldError("prompt", told["prompt"], f"a text with {QUESTION} in it once")
    if form == "choice":
        _only(fields, common | {"choice", "labels"})
        return _choice_head(fields, told)
    if form == "exact":
        _only(fields, common | {"limit", "marker", "ends"})
        marker = _text(fields, "marker", MAX_SHORT, least=0, default="")
        ends = _texts(fields, "ends", 0, MOST_ENDS)
        return ExactHead(**told, limit=_limit(fields), marker=marker, ends=ends)
    _only(fields, common | {"limit", "joints", "labels"})
    first, second, third, last = _texts(fields, "joints", 4, 4, MAX_LONG, distinct=False)
    better, worse = _texts(fields, "labels", 2, 2)
    return JudgedHead(
        **told,
        limit=_limit(fields),
        joints=(first, second, third, last),
        labels=(better, worse),
    )


def _choice_head(fields: dict[str, Any], told: dict[str, str]) -> ChoiceHead:
    choice = _text(fields, "choice", least=0, default="")
    labels = _texts(fields, "labels", LEAST_CHOICES, MOST_CHOICES) if "labels" in fields else ()
    listed = told["prompt"].count(CHOICES)
    if listed != (1 if choice else 0):
        expected = f"a text with {CHOICES} in it once" if choice else f"no {CHOICES}, or a 'choice'"
        raise _FieldError("prompt", told["prompt"], expected)
    if choice and (choice.count(CHOICE), choice.count(LABEL)) != (1, 1 if labels else 0):
        wanted = f"{CHOICE} in it once" + (f" and {LABEL} once" if labels else f", and no {LABEL}")
        raise _FieldError("choice", choice, f"a text with {wanted}")
    if labels and not choice:
        raise _FieldError("labels", list(labels), "none, or a 'choice' that shows them")
    return ChoiceHead(**told, choice=choice, labels=labels)


def _choice_item(fields: dict[str, Any], head: ChoiceHead) -> ChoiceItem:
    _only(fields, {"question", "choices", "answer"})
    most = len(head.labels) or MOST_CHOICES
    choices = _texts(fields, "choices", LEAST_CHOICES, most, MAX_LONG)
    answer = fields.get("answer")
    if type(answer) is not int or not 0 <= answer < len(choices):
        raise _FieldError(
            "answer", answer, f"the number of the right choice, 0 to {len(choices) - 1}"
        )
    return ChoiceItem(_text(fields, "question"), choices, answer)


def _exact_item(fields: dict[str, Any], head: ExactHead) -> ExactItem:
    _only(fields, {"question", "answer", "marker"})
    if isinstance(fields.get("answer"), str):
        answers: tuple[str, ...] = (_text(fields, "answer"),)
    else:
        answers = _texts(fields, "answer", 1, MOST_ANSWERS, MAX_LONG)
    marker = _text(fields, "marker", MAX_SHORT, least=0, default=head.marker)
    return ExactItem(_text(fields, "question"), answers, marker)


def _judged_item(fields: dict[str, Any], head: JudgedHead) -> JudgedItem:
    _only(fields, {"question", "reference"})
    return JudgedItem(_text(fields, "question"), _text(fields, "reference"))


_ITEMS: Final[dict[type, Callable[[dict[str, Any], Any], TextItem]]] = {
    ChoiceHead: _choice_item,
    ExactHead: _exact_item,
    JudgedHead: _judged_item,
}


def _only(fields: dict[str, Any], known: Collection[str]) -> None:
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:
        raise _FieldError(
            _brief(unknown)[1:-1],
            fields[unknown],
            f"no such field; known are {', '.join(sorted(known))}",
        )


def _text(
    fields: dict[str, Any],
    name: str,
    most: int = MAX_LONG,
    *,
    least: int = 1,
    default: str | None = None,
) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or not least <= len(value) <= most:
        shown = f"{len(value):,} characters" if isinstance(value, str) and value else value
        raise _FieldError(name, shown, f"a text of {least} to {most:,} characters")
    return value


def _texts(
    fields: dict[str, Any],
    name: str,
    least: int,
    most: int,
    longest: int = MAX_SHORT,
    *,
    distinct: bool = True,
) -> tuple[str, ...]:
    values = fields.get(name)
    count = f"{least}" if least == most else f"{least} to {most}"
    if not isinstance(values, list) or not least <= len(values) <= most:
        shown = f"a list of {len(values)}" if isinstance(values, list) else values
        raise _FieldError(name, shown, f"a list of {count} texts")
    for value in values:
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            raise _FieldError(name, value, f"{count} texts of 1 to {longest:,} characters each")
    if distinct and len(set(values)) != len(values):
        raise _FieldError(name, values, "texts that all differ")
    return tuple(values)


def _limit(fields: dict[str, Any]) -> int:
    limit = fields.get("limit")
    if type(limit) is not int or not 1 <= limit <= MOST_LIMIT:
        raise _FieldError("limit", limit, f"the longest answer in tokens, 1 to {MOST_LIMIT}")
    return limit


def _brief(value: object) -> str:
    """A value of a stranger's file in a sentence: it may be as long as a line."""
    if value is None:
        return "absent"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
