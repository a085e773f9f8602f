"""The notes of a node about models, as a file beside its packages.

They outlive the proposals: once one has ended, nothing in the state says which package its model
came in. Whoever lacks the file takes notes anew, of what is live.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from esper.dao.bodies import MODEL_BODY, ModelBody, read_body
from esper.dao.steps import Subject
from esper.model.package.own_files import small_file, write_whole
from esper.node.models.wanted import Note, Verdict
from esper.primitives.codec import CodecError, encode
from esper.primitives.errors.dao_errors import ProposalViolation
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.saying import warn

LOG: Final = logging.getLogger("esper.models")
NOTES_FILE: Final = "notes.json"
VERSION: Final = 1
MOST_BYTES: Final = 16 << 20
MOST_WORDS: Final = 16_000
"""Characters of what a note says: of many notes together they are far below MOST_BYTES."""


class NotesError(ValueError):
    """A file of notes that cannot be read."""


class Notebook:
    """The notes in a folder of packages. May block on the disk."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / NOTES_FILE

    def read(self) -> dict[Txid, Note]:
        """What was written last; nothing, with a log line, if it is damaged. Raises OSError."""
        data = small_file(self._file, MOST_BYTES)
        try:
            if data is None:
                _check_size(self._file)
                return {}
            return {note.proposal: note for note in decode_notes(data)}
        except NotesError as error:
            warn(
                LOG,
                "notes_damaged",
                "{file} is damaged and is begun anew: {reason}",
                file=str(self._file),
                reason=str(error),
            )
            return {}

    def write(self, notes: Iterable[Note]) -> None:
        """Replace all; on disk when this returns. Long words are cut. Raises OSError."""
        rows = [_row(note) for note in notes]
        write_whole(self._file, json.dumps({"version": VERSION, "notes": rows}).encode())


def decode_notes(data: bytes) -> list[Note]:
    """The notes of a file. Raises NotesError."""
    try:
        found = json.loads(data)
        if found["version"] != VERSION:
            raise NotesError(f"version {found['version']!r}, must be {VERSION}")
        return [_note(row) for row in found["notes"]]
    except NotesError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
        CodecError,
        ProposalViolation,
    ) as error:
        raise NotesError(f"{type(error).__name__}: {error}") from error


def _check_size(file: Path) -> None:
    """Raise NotesError for a file that is too long to be read."""
    with suppress(FileNotFoundError):
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise NotesError(f"{size:,} bytes, at most {MOST_BYTES:,}")


def _row(note: Note) -> dict[str, Any]:
    return {
        "proposal": note.proposal.hex(),
        "number": note.number,
        "body": encode(MODEL_BODY, note.body).hex(),
        "over": note.over,
        "verdict": note.verdict.value,
        "words": note.words[:MOST_WORDS],
        "passed": note.passed,
        "extends": None if note.extends is None else note.extends.hex(),
    }


def _note(row: dict[str, Any]) -> Note:
    body = read_body(Subject.MODEL, bytes.fromhex(row["body"]))
    number, over, words = row["number"], row["over"], row["words"]
    if type(number) is not int or type(over) not in (int, type(None)) or type(words) is not str:
        raise NotesError("a number, a height or words of another type")
    passed, extends = row["passed"], row["extends"]
    if type(passed) is not bool or type(extends) not in (str, type(None)):
        raise NotesError("a vote or a bank of another type")
    proposal = bytes.fromhex(row["proposal"])
    if not isinstance(body, ModelBody) or len(proposal) != HASH_BYTES:
        raise NotesError("a note of no model")
    extended = None if extends is None else bytes.fromhex(extends)
    verdict = Verdict(row["verdict"])
    return Note(Txid(proposal), number, body, over, verdict, words, passed, extended)
