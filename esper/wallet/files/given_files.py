"""Files as people have them: byte order marks, carriage returns, pipes, links to nowhere."""

import codecs
import errno
import os
import stat
from pathlib import Path
from typing import Final

_OTHER_MARKS: Final = (
    codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE,
)  # fmt: skip


class GivenTextError(ValueError):
    """What a file or standard input held is no UTF-8; the message goes behind its name."""


def read_given(file: Path, most: int) -> bytes:
    """The first ``most`` bytes and one more of a file that somebody named; a pipe is read too.

    Raises OSError.
    """
    with file.open("rb") as stream:
        return stream.read(most + 1)


def read_regular(file: Path, most: int) -> bytes:
    """As ``read_given``, of a file that lies in a folder of ours: nothing else is waited for.

    Raises OSError, also for what is no regular file.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no regular file", str(file))
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(most + 1)


def without_mark(data: bytes) -> bytes:
    """Without the byte order mark that some editors put before UTF-8. Raises GivenTextError."""
    if data.startswith(_OTHER_MARKS):
        raise GivenTextError("is text in UTF-16 or UTF-32: save it as UTF-8")
    return data.removeprefix(codecs.BOM_UTF8)


def text_of(data: bytes) -> str:
    """The text of bytes in UTF-8, with or without a mark. Raises GivenTextError."""
    try:
        return without_mark(data).decode("utf-8")
    except UnicodeDecodeError:
        raise GivenTextError("is no text in UTF-8") from None
