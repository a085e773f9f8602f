"""What a node does when the system signals: it closes, or opens its log file anew."""

import logging
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import trio

from esper.node.logs import reopen_files
from esper.node.settings import Settings
from esper.saying import say

LOG: Final = logging.getLogger("esper.node")


async def stop_when_signalled(
    signals: AsyncIterator[int], stop: Callable[[], None], *, task_status: trio.TaskStatus[None]
) -> None:
    """Ctrl-C and the system's wish to stop, or that a log file was renamed."""
    task_status.started()
    async for number in signals:
        name = signal.Signals(number).name
        if number == signal.SIGHUP and reopen_files():
            say(LOG, "log_reopened", "{signal}: the log file is opened anew", signal=name)
            continue
        say(LOG, "closing", "{signal}: closing", signal=name)
        stop()


def signals_of(settings: Settings) -> list[signal.Signals]:
    """What is listened to: a hangup ends a node without a log file, unless nohup is before it."""
    found = [signal.SIGINT, signal.SIGTERM]
    if settings.log_file != Path() or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found
