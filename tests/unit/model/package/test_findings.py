"""Words about a stranger's files: few, and none that steers a terminal."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from esper.model.errors import (
    MachineError,
    MissingFileError,
    ModelError,
    UnreadableFileError,
    unread,
)
from esper.model.package.findings import MOST_WORDS, Report, shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("as it is", "as it is"),
        ("\x1b[2J", r"\u001b[2J"),
        ("\ud800 and \n", r"\ud800 and \n"),
        ("\u202e", r"\u202e"),
        ("ä▁☃", "ä▁☃"),
    ],
)
def test_what_cannot_be_shown_is_escaped(words: str, told: str) -> None:
    assert shown(words) == told
    told.encode()


@pytest.mark.parametrize("letter", ["a", "\x1b"])
def test_words_have_an_end(letter: str) -> None:
    report = Report()
    report.refuse("bank", letter * (1 << 20))
    report.notice("bank", "a" * MOST_WORDS)
    long, whole = (one.words for one in report.findings)
    assert (len(long), long[-1], len(whole), whole[-1]) == (MOST_WORDS, "…", MOST_WORDS, "a")


def test_an_error_of_this_machine_is_no_finding() -> None:
    report = Report()
    with pytest.raises(MachineError):
        report.failed("bank", MachineError("the disk fails"))
    assert report.findings == []
    report.failed("bank", ModelError("no bank"))
    assert report.refused


@pytest.mark.parametrize(
    ("number", "own"),
    [
        (errno.ENOENT, True),
        (errno.ELOOP, True),
        (errno.ENXIO, True),
        (errno.EMFILE, False),
        (errno.ENFILE, False),
        (errno.EIO, False),
        (errno.ENOMEM, False),
        (errno.EACCES, False),
    ],
)
def test_whose_fault_it_is_that_a_file_cannot_be_read(number: int, own: bool) -> None:
    found = unread(Path("a"), "copy it", OSError(number, os.strerror(number)))
    assert isinstance(found, MissingFileError)
    assert isinstance(found, UnreadableFileError) is not own
    assert os.strerror(number) in str(found)
