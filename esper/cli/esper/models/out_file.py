"""Files that a command writes for its user: whole or not there, and nothing lost without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")]


class OutFileError(Exception):
    """A file that will not be written; the message names it and says what to do."""


def check_out(out: Path, *, force: bool) -> None:
    """See that a file can be written, before the work whose result goes there.

    Raises OutFileError.
    """
    target = _target(out)
    if not target.parent.is_dir():
        raise OutFileError(f"{out}: there is no folder {target.parent}: make it, or name another")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutFileError(f"{out}: the folder {target.parent} cannot be written to")
    if not os.path.lexists(target):
        return
    if target.is_dir():
        raise OutFileError(f"{out} is a folder: name a file in it")
    if not target.is_file():
        raise OutFileError(f"{out} is no regular file: name another")
    if not force:
        raise OutFileError(f"{out} exists already: name another file, or --force to overwrite it")


def write_out(out: Path, data: bytes, *, force: bool) -> None:
    """Write a file in one step. Raises OutFileError and, naming ``out``, OSError."""
    check_out(out, force=force)
    target = _target(out)
    fresh = target.with_name(f".{target.name[:200]}.{os.getpid()}.new")
    try:
        with fresh.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        # Whoever made it meanwhile is asked like anyone before.
        check_out(out, force=force)
        fresh.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        fresh.unlink(missing_ok=True)


def _target(out: Path) -> Path:
    """Where a symbolic link leads: the link itself stays."""
    return Path(os.path.realpath(out)) if out.is_symlink() else out
