"""Log lines for people and for machines."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from esper.node.logs import set_up

LOG = logging.getLogger("esper.mining")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The root logger is the process's: whoever comes next finds it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def said(level: str, *, as_json: bool) -> io.StringIO:
    stream = io.StringIO()
    set_up(level, as_json=as_json, stream=stream)
    return stream


def failed() -> None:
    try:
        raise KeyError("the key")
    except KeyError:
        LOG.exception("it failed\nbadly")


def test_a_line_for_people() -> None:
    stream = said("info", as_json=False)
    LOG.info("block %d", 7)
    LOG.warning("slow")
    quiet, loud = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d mining   block 7", quiet)
    assert loud.endswith(" mining   WARNING: slow")


def test_a_traceback_follows_its_line() -> None:
    stream = said("info", as_json=False)
    failed()
    text = stream.getvalue()
    assert "ERROR: it failed" in text
    assert "Traceback (most recent call last)" in text
    assert text.rstrip().endswith("KeyError: 'the key'")


def test_a_level_and_all_above_it() -> None:
    stream = said("warning", as_json=False)
    LOG.info("quiet")
    LOG.warning("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


def test_libraries_are_heard_from_warnings_on() -> None:
    stream = said("debug", as_json=False)
    logging.getLogger("httpx").info("a request")
    logging.getLogger("httpx").warning("a refusal")
    LOG.debug("ours")
    assert "a request" not in stream.getvalue()
    assert "a refusal" in stream.getvalue()
    assert "ours" in stream.getvalue()
    assert "a refusal" not in said_by_httpx("error")


def said_by_httpx(level: str) -> str:
    stream = said(level, as_json=False)
    logging.getLogger("httpx").warning("a refusal")
    return stream.getvalue()


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_object_for_machines() -> None:
    stream = said("info", as_json=True)
    LOG.info("answer %r", 'a "quoted"\nline ü')
    [entry] = entries(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert entry == {
        "level": "info",
        "subject": "mining",
        "message": "answer 'a \"quoted\"\\nline ü'",
    }


def test_an_object_stays_on_one_line_with_its_traceback() -> None:
    stream = said("info", as_json=True)
    failed()
    [entry] = entries(stream)
    assert entry["message"] == "it failed\nbadly"
    assert "KeyError: 'the key'" in entry["traceback"]


def test_the_milliseconds_are_the_record_s() -> None:
    stream = said("info", as_json=True)
    record = LOG.makeRecord("esper.node", logging.INFO, __file__, 1, "hello", (), None)
    record.created, record.msecs = 1_700_000_000.007, 7.0
    LOG.handle(record)
    [entry] = entries(stream)
    assert entry["time"] == "2023-11-14T22:13:20.007Z"
    assert entry["subject"] == "node"


def test_set_up_again_replaces_what_was_there() -> None:
    first = said("info", as_json=False)
    second = said("info", as_json=False)
    LOG.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1
