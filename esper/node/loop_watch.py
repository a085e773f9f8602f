"""Says that the event loop stands still, and in what: to its peers such a node has gone.

A thread looks on. Where the thread itself was held up as well, it was the machine.
"""

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import PurePath
from types import FrameType
from typing import Final

import trio

from esper.node.clock import Clock, steady_ms
from esper.saying import warn

LOG: Final = logging.getLogger("esper.node")
LATE_MS: Final = 2_000
"""From here on it is told. Peers bear twenty seconds, people at a prompt less."""
LOOK_MS: Final = 500
"""Between two looks, and two turns."""
_SHOWN_FRAMES: Final = 3


class LoopWatch:
    """A service: it turns with the loop, and a thread of it looks whether it does."""

    def __init__(
        self, steady: Clock = steady_ms, late_ms: int = LATE_MS, look_ms: int = LOOK_MS
    ) -> None:
        """``steady`` counts milliseconds evenly."""
        self._steady = steady
        self._late_ms = late_ms
        self._look_ms = look_ms
        self._turned = steady()
        self._looked = self._turned
        self._told = False
        self.lag_ms = 0
        """How late the last turn was."""
        self._standing_in: Callable[[], str] = lambda: ""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        loop, over = threading.get_ident(), threading.Event()
        self._standing_in = lambda: _where(sys._current_frames().get(loop))
        self._turned = self._looked = self._steady()
        thread = threading.Thread(target=self._look_on, args=(over,), daemon=True)
        thread.start()
        task_status.started()
        try:
            while True:
                self.turn()
                await trio.sleep(self._look_ms / 1000)
        finally:
            over.set()

    def turn(self) -> None:
        """The loop turns."""
        stood_ms = self._steady() - self._turned
        self._turned += stood_ms
        self.lag_ms = max(0, stood_ms - self._look_ms)
        if self._told:
            self._told = False
            warn(
                LOG,
                "loop_turns",
                "the event loop turns again after {seconds} s",
                seconds=round(stood_ms / 1000, 1),
            )

    def look(self) -> None:
        """See whether it does: told once each time that it stands still."""
        now = self._steady()
        machine = now - self._looked > self._late_ms
        self._looked = now
        if self._told or now - self._turned <= self._late_ms:
            return
        self._told = True
        warn(
            LOG,
            "loop_stands",
            "the event loop has stood still for {seconds} s, {where}: peers may give this node up",
            seconds=round((now - self._turned) / 1000, 1),
            where="as the whole process has" if machine else f"in {self._standing_in()}",
        )

    def _look_on(self, over: threading.Event) -> None:
        while not over.wait(self._look_ms / 1000):
            self.look()


def _where(frame: FrameType | None) -> str:
    """The innermost functions of a thread, innermost first."""
    found: list[str] = []
    while frame is not None and len(found) < _SHOWN_FRAMES:
        code = frame.f_code
        found.append(f"{PurePath(code.co_filename).name}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return ", ".join(found) or "an unknown place"
