"""Log lines for people and for machines."""

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esper.node.logs import set_up
from esper.saying import say, warn

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
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ mining   block 7", quiet)
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


def test_the_time_is_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        stream = said("info", as_json=False)
        record = LOG.makeRecord("esper.node", logging.INFO, __file__, 1, "hello", (), None)
        record.created = 1_700_000_000.0
        LOG.handle(record)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert stream.getvalue() == "2023-11-14T22:13:20Z node     hello\n"


def test_values_are_members_and_stand_in_the_sentence() -> None:
    for as_json in (False, True):
        stream = said("info", as_json=as_json)
        say(LOG, "block_mined", "block {height} in {seconds:.1f} s", height=7, seconds=0.25, a="b")
        warn(LOG, "slow", "it is slow")
        if not as_json:
            assert stream.getvalue().splitlines()[0].endswith("mining   block 7 in 0.2 s")
            continue
        mined, slow = entries(stream)
        assert (mined["event"], mined["message"]) == ("block_mined", "block 7 in 0.2 s")
        assert (mined["height"], mined["seconds"], mined["a"]) == (7, 0.25, "b")
        assert (slow["event"], slow["level"]) == ("slow", "warning")


def test_a_value_cannot_hide_what_every_line_has() -> None:
    said("info", as_json=True)
    with pytest.raises(ValueError, match="message stands in every line"):
        say(LOG, "event", "sentence", message="another")


def test_every_line_of_ours_has_a_kind() -> None:
    """Calls of a logger's own methods have a sentence alone: nothing for machines to find."""
    root = Path(__file__).resolve().parents[3] / "esper"
    bare = [
        f"{file.relative_to(root)}: {line.strip()}"
        for file in root.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"\b\w*(LOG|log)\.(debug|info|warning|error|critical)\(", line)
    ]
    assert bare == []


def test_nobody_who_reads_is_no_reason_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    closed = io.StringIO()
    closed.close()
    for stream in (Full(), closed):
        set_up("info", as_json=False, stream=stream)
        LOG.info("lost")
    assert capsys.readouterr().err == ""
