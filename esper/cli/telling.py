"""Errors in words: what happened, where, and what helps."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, Final

import typer

from esper.native_check import NativeExtensionError

TRACEBACK_VARIABLE: Final = "ESPER_TRACEBACK"
REFUSED: Final = 1
MISUSED: Final = 2
DEFECT: Final = 70
"""As EX_SOFTWARE of sysexits.h."""

REMEDIES: Final = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has none left: close other programs",
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room below the quota",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EROFS: "name a place that can be written to",
    errno.EACCES: "ask for the permission, or name another place",
    errno.EPERM: "ask for the permission, or name another place",
    errno.ENOMEM: "close other programs, or raise the limit of memory (ulimit -v)",
    errno.EAGAIN: "close other programs, or raise the limit of processes (ulimit -u)",
}
"""What helps, by the system's error."""


def tell(program: str, error: BaseException, *, as_json: bool) -> int:
    """Say on standard error what ended a command; the exit status. Raises OSError if it cannot."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else REFUSED if error.code else 0
    error = _leaf(error)
    status, message = told(program, error)
    if as_json:
        document = {"error": {"name": type(error).__name__, "message": message}}
        print(json.dumps(document), file=sys.stderr, flush=True)
    elif isinstance(error, typer.TyperException):
        show: Any = error
        show.show()
    else:
        print(f"error: {message}", file=sys.stderr, flush=True)
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    return status


def told(program: str, error: BaseException) -> tuple[int, str]:
    """The status that an error leads to, and its sentence."""
    match error:
        case typer.TyperException():
            shown: Any = error
            return getattr(error, "exit_code", REFUSED), shown.format_message()
        case NativeExtensionError():
            return REFUSED, str(error)
        case typer.Abort() | EOFError():
            return (
                REFUSED,
                "standard input ended before the question was answered; nothing was done",
            )
        case UnicodeEncodeError():
            return MISUSED, "an argument or a variable of the environment is not UTF-8"
        case OSError():
            return REFUSED, system_error(error)
        case ImportError():
            return REFUSED, f"a part of {program} cannot be loaded ({error}): install it again"
        case MemoryError():
            return REFUSED, f"there is not enough memory: {REMEDIES[errno.ENOMEM]}"
    place = _place(error)
    return DEFECT, (
        f"this is a defect of {program}: {type(error).__name__}{place}. Please report it; with "
        f"{TRACEBACK_VARIABLE}=1 the same command shows more"
    )


def system_error(error: OSError) -> str:
    """What the operating system refused, of which file, and what helps."""
    named = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    words = error.strerror or str(error) or type(error).__name__
    remedy = REMEDIES.get(error.errno or 0)
    return f"{named}{words}" + (f"; {remedy}" if remedy else "")


def _leaf(error: BaseException) -> BaseException:
    """The first of a group of tasks' errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(error: BaseException) -> str:
    """Where an error was raised, without its text: secrets may stand in it."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    return f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}"
