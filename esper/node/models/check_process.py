"""Checks packages in processes, one at a time, with an end."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import trio

from esper.node.models.check_job import CheckFailedError, CheckJob, CheckResult
from esper.node.workers.threads import processors
from esper.node.workers.worker_messages import LENGTH_BYTES, frame
from esper.node.workers.worker_process import worker_environment

LIMIT_S: Final = 3_600.0
"""A check of the largest package takes minutes; one that never ends is the package's fault."""
PROGRAM: Final = ("-P", "-m", "esper.node.models.check_main")
"""-P: the package that is installed, not one in the folder that the node was started in."""


class ProcessChecker:
    """``PackageChecker`` with a process for each check."""

    def __init__(self, limit_s: float = LIMIT_S, program: Sequence[str] = PROGRAM) -> None:
        self._limit_s = limit_s
        self._program = program

    async def check(self, job: CheckJob) -> CheckResult:
        """As the port says. What takes longer than the limit is refused."""
        process = await self._started()
        try:
            with trio.move_on_after(self._limit_s) as limit:
                return await self._asked(process, job)
            assert limit.cancelled_caught
            words = f"time: its checks did not end within {self._limit_s:g} s"
            return CheckResult(True, (words,))
        finally:
            with trio.CancelScope(shield=True):
                if process.returncode is None:
                    process.kill()
                await process.wait()
                for stream in (process.stdin, process.stdout):
                    if stream is not None:
                        await stream.aclose()

    async def _started(self) -> trio.Process:
        # A session of its own: ctrl-C is the node's, which ends it itself.
        try:
            return await trio.lowlevel.open_process(
                [sys.executable, *self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=worker_environment(os.environ, processors()),
                start_new_session=True,
            )
        except OSError as error:
            raise CheckFailedError(f"it cannot be started: {error.strerror or error}") from error

    async def _asked(self, process: trio.Process, job: CheckJob) -> CheckResult:
        assert process.stdin is not None
        assert process.stdout is not None
        # One that ends before it has read this says so on its way out.
        with suppress(trio.BrokenResourceError):
            await process.stdin.send_all(frame(job))
        data = bytearray()
        while len(data) < LENGTH_BYTES or len(data) < LENGTH_BYTES + _length(data):
            more = await process.stdout.receive_some()
            if not more:
                raise CheckFailedError(_ended(await process.wait()))
            data += more
        answer = pickle.loads(data[LENGTH_BYTES:])
        if isinstance(answer, CheckFailedError):
            raise answer
        assert isinstance(answer, CheckResult)
        return answer


def _length(data: bytearray) -> int:
    return int.from_bytes(data[:LENGTH_BYTES], "big")


def _ended(status: int) -> str:
    if status == -signal.SIGKILL:
        return "it was killed, as the system does when memory runs out"
    return f"it ended with status {status}; what it said is above"
