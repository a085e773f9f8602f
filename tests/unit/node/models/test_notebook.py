"""The notes on the disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.node.models.notebook import (
    MOST_BYTES,
    MOST_WORDS,
    NOTES_FILE,
    Notebook,
    NotesError,
    decode_notes,
)
from esper.node.models.wanted import Note, Verdict
from tests.support.node.keeper_world import proposal_of

ONE = proposal_of(1, bytes(64))
NOTE = Note(ONE.id, 1, ONE.body)
JUDGED = replace(
    NOTE,
    over=7,
    verdict=Verdict.REFUSED,
    words="salt: the same",
    passed=False,
    extends=bytes(64),
)


def test_notes_come_back_as_they_were(tmp_path: Path) -> None:
    book = Notebook(tmp_path)
    assert book.read() == {}
    book.write([NOTE])
    assert book.read() == {ONE.id: NOTE}
    book.write([JUDGED])
    assert book.read() == {ONE.id: JUDGED}


def rows(**changed: Any) -> bytes:
    row = {
        "proposal": ONE.id.hex(),
        "number": 1,
        "body": "00",
        "over": None,
        "verdict": "none",
        "words": "",
        "passed": True,
        "extends": None,
    }
    return json.dumps({"version": 1, "notes": [row | changed]}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"version": 2, "notes": []}',
        b'{"version": 1, "notes": [1]}',
        rows(),
        rows(proposal="00"),
        rows(passed=1),
        rows(extends=7),
        rows(body=1),
    ],
)
def test_what_is_damaged_is_begun_anew(
    tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NotesError):
        decode_notes(data)
    (tmp_path / NOTES_FILE).write_bytes(data)
    assert Notebook(tmp_path).read() == {}
    assert "is begun anew" in caplog.text


@pytest.mark.parametrize(
    "changed",
    [{"proposal": "00"}, {"number": "1"}, {"over": "x"}, {"words": 1}, {"verdict": "so-so"}],
)
def test_a_row_with_something_else_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    Notebook(tmp_path).write([NOTE])
    found = json.loads((tmp_path / NOTES_FILE).read_bytes())
    found["notes"][0] |= changed
    with pytest.raises(NotesError):
        decode_notes(json.dumps(found).encode())


def test_long_words_are_cut(tmp_path: Path) -> None:
    book = Notebook(tmp_path)
    book.write([replace(JUDGED, words="a" * (MOST_WORDS + 1))])
    assert book.read()[ONE.id].words == "a" * MOST_WORDS


def test_a_file_that_is_too_long_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (tmp_path / NOTES_FILE).open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert Notebook(tmp_path).read() == {}
    assert "at most 16,777,216" in caplog.text
