"""What a machine may do to a command: each is set up in the process that then runs it."""

from __future__ import annotations

import ctypes
import errno
import io
import os
import pwd
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

_NEW_MOUNTS: Final = 0x20000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE_PRIVATE = 1, 32, 4096, 0x44000
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES: Final = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink")


def nothing(_: Path) -> None:
    """The machine as it is."""


def read_only(folder: Path) -> None:
    """The folder lies on a file system that cannot be written to."""
    if not _mounted(folder, lambda libc, name: _bound_read_only(libc, name)):
        _forbid(folder, errno.EROFS)


def full(folder: Path) -> None:
    """The folder lies on a disk that has no block left."""
    if not _mounted(folder, lambda libc, name: _filled(libc, folder, name)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def homeless(_: Path) -> None:
    """The user has no home and no entry in the list of users."""

    def unknown(_: object) -> NoReturn:
        raise KeyError("uid not found")

    os.environ.pop("HOME", None)
    os.environ.pop("ESPER_DATADIR", None)
    pwd.getpwuid = unknown


def closed_input(_: Path) -> None:
    """``<&-``."""
    os.close(0)
    sys.stdin = None


def closed_output(_: Path) -> None:
    """``>&-``."""
    os.close(1)
    sys.stdout = None


def closed_errors(_: Path) -> None:
    """``2>&-``."""
    os.close(2)
    sys.stderr = None


def full_output(_: Path) -> None:
    """``>/dev/full``."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def reader_gone(_: Path) -> None:
    """``| head -0``."""
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    os.close(reader)


def ascii_terminal(_: Path) -> None:
    """A locale whose encoding has nothing but ASCII."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw = io.FileIO(number, "w", closefd=False)
        text = io.TextIOWrapper(io.BufferedWriter(raw), encoding="ascii", errors="strict")
        setattr(sys, name, text)


def few_descriptors(_: Path) -> None:
    """Three files may be open beside those that are."""
    most = max(int(one.name) for one in Path("/proc/self/fd").iterdir()) + 4
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def interrupted(_: Path) -> None:
    """Ctrl-C as soon as the command has begun, and looks out for it: before, it would just end."""

    def strike(*_: object) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
        else:
            os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, 0.02)


CONDITIONS: Final[dict[str, Callable[[Path], None]]] = {
    one.__name__: one
    for one in (
        nothing,
        read_only,
        full,
        homeless,
        closed_input,
        closed_output,
        closed_errors,
        full_output,
        reader_gone,
        ascii_terminal,
        few_descriptors,
        interrupted,
    )
}


def _mounted(folder: Path, mount: Callable[[Any, bytes], bool]) -> bool:
    """Mount in a name space of this process; whether the machine allows it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) or libc.mount(b"none", b"/", None, _RECURSIVE_PRIVATE, None):
        return False
    return mount(libc, os.fsencode(folder))


def _bound_read_only(libc: Any, name: bytes) -> bool:
    return not (
        libc.mount(name, name, None, _BIND, None)
        or libc.mount(name, name, None, _BIND | _REMOUNT | _READ_ONLY, None)
    )


def _filled(libc: Any, folder: Path, name: bytes) -> bool:
    kept = folder.with_name(folder.name + "-kept")
    shutil.copytree(folder, kept)
    if libc.mount(b"none", name, b"tmpfs", 0, b"size=16m,mode=700"):
        return False
    os.chdir(folder)  # Where it was lies below the mount now.
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    return True


def _forbid(folder: Path, number: int) -> None:
    """Where nothing can be mounted: Python's own calls are refused below the folder."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and not arguments[2] & _WRITING:
            return
        if event != "open" and event not in _CHANGES:
            return
        named = isinstance(arguments[0], str | bytes)
        if named and (Path.cwd() / os.fsdecode(arguments[0])).is_relative_to(folder):
            raise OSError(number, os.strerror(number), os.fsdecode(arguments[0]))

    sys.addaudithook(refuse)
