"""How much of the machine the check of a stranger's package may take.

A process sets them for itself before it reads anything of the package, and cannot raise them again.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

CPU_S: Final = 7_200
"""Seconds of processors, of all threads together: equal on busy machines and on idle ones. The
check of the largest package takes minutes of each."""
BASE_BYTES: Final = 4 << 30
"""Address space for the program and its libraries."""
THREAD_BYTES: Final = 128 << 20
"""Address space for the stack and the arena of a thread; most of it is never touched."""
TIMES_FILES: Final = 48
"""Memory over the size of the files. Committing to a model takes 39 bytes a cell where the cells
have just passed a power of two, as those of SmolLM2-135M do (6.1 GiB of address space in all), and
a cell is a byte of the file at least. A bank of small ids takes 32 as objects, made twice."""
_GRACE_S: Final = 60
"""Between the signal that says that the time is over and the one that nobody can ignore."""


def set_limits(folder: Path, names: Sequence[str], threads: int) -> None:
    """Limit this process for the check of these files."""
    with suppress(OSError):
        # Whatever else the machine runs is worth more than this.
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    _lower(resource.RLIMIT_CORE, 0, 0)
    _lower(resource.RLIMIT_CPU, CPU_S, CPU_S + _GRACE_S)
    most = most_memory(bytes_of(folder, names), threads, physical_bytes())
    _lower(resource.RLIMIT_AS, most, most)


def most_memory(files: int, threads: int, physical: int) -> int:
    """Bytes of address space for files of so many bytes, on a machine of so many."""
    return BASE_BYTES + THREAD_BYTES * threads + min(TIMES_FILES * files, physical)


def bytes_of(folder: Path, names: Sequence[str]) -> int:
    """Size of these files; of one that is not there none."""
    total = 0
    for name in names:
        with suppress(OSError):
            total += (folder / name).stat().st_size
    return total


def physical_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _lower(which: int, soft: int, hard: int) -> None:
    _, most = resource.getrlimit(which)
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))
