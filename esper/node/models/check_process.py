"""Checks packages in processes, one at a time, with an end."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import trio

from esper.model.package.findings import shown
from esper.node.models.check_job import CheckFailedError, CheckJob, CheckResult
from esper.node.models.check_limits import CPU_S
from esper.node.workers.threads import processors
from esper.node.workers.worker_messages import LENGTH_BYTES, frame
from esper.node.workers.worker_process import worker_environment

LIMIT_S: Final = 8 * 3_600.0
"""By the clock, which runs while the machine does other things: whose it was is not known. What the
package costs the process counts itself (``check_limits``), and ends with."""
MOST_ANSWER: Final = 1 << 20
"""Bytes of an answer, which is gathered in the node's memory."""
MOST_FINDINGS: Final = 64
PROGRAM: Final = ("-P", "-m", "esper.node.models.check_main")
"""-P: the package that is installed, not one in the folder that the node was started in."""


class ProcessChecker:
    """``PackageChecker`` with a process for each check."""

    def __init__(self, limit_s: float = LIMIT_S, program: Sequence[str] = PROGRAM) -> None:
        self._limit_s = limit_s
        self._program = program

    async def check(self, job: CheckJob) -> CheckResult:
        """As the port says. What takes more of the processors than a check may is refused."""
        process = await self._started()
        try:
            with trio.move_on_after(self._limit_s) as limit:
                return await self._asked(process, job)
            assert limit.cancelled_caught
            raise CheckFailedError(f"it did not end within {self._limit_s:g} s")
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
                return _ended(await process.wait())
            data += more
            if len(data) >= LENGTH_BYTES and _length(data) > MOST_ANSWER:
                raise CheckFailedError(
                    f"it answers with {_length(data):,} bytes, at most {MOST_ANSWER:,}"
                )
        return _answer(bytes(data[LENGTH_BYTES:]))


def _length(data: bytearray) -> int:
    return int.from_bytes(data[:LENGTH_BYTES], "big")


def _answer(data: bytes) -> CheckResult:
    """What the process says. Raises CheckFailedError, also for what is no answer."""
    try:
        answer = pickle.loads(data)
    except Exception as error:  # pickle raises whatever the classes in it do
        raise CheckFailedError(f"its answer cannot be read: {type(error).__name__}") from error
    if isinstance(answer, CheckFailedError):
        raise answer
    if not isinstance(answer, CheckResult):
        raise CheckFailedError(f"its answer is a {type(answer).__name__}")
    return replace(answer, findings=tuple(map(shown, answer.findings[:MOST_FINDINGS])))


def _ended(status: int) -> CheckResult:
    """What a process means that ended without an answer. Raises CheckFailedError."""
    if status == -signal.SIGXCPU:
        words = f"time: its checks did not end within {CPU_S:,} s of the processors"
        return CheckResult(True, (words,))
    if status == -signal.SIGKILL:
        raise CheckFailedError("it was killed, as the system does when memory runs out")
    raise CheckFailedError(f"it ended with status {status}; what it said is above")
