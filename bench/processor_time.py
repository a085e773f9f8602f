"""Time of the processors that processes took: a measure that neighbours hardly change.

On a machine that others use as well a wall clock tells more of them than of what is measured.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_PARENT: Final = 1
_USER: Final = 11
_SYSTEM: Final = 12
"""Fields of /proc/PID/stat behind the name."""


@dataclass(frozen=True)
class Taken:
    """Seconds of processor time of a process, and of its children that live."""

    own: float
    children: float

    def since(self, before: Taken) -> Taken:
        """What was taken since then."""
        return Taken(self.own - before.own, self.children - before.children)


def taken_by(pid: int) -> Taken:
    """What a process has taken from its start."""
    own, children = 0.0, 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        seconds = TICK_S * (int(fields[_USER]) + int(fields[_SYSTEM]))
        if int(path.parent.name) == pid:
            own = seconds
        elif int(fields[_PARENT]) == pid:
            children += seconds
    return Taken(own, children)
