"""What a proof will take, told before it begins, and how far it is, for whoever waits for it.

The proof is made in a thread of its own, so that ctrl-C ends the command at once and not after a
stage of many seconds.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from esper.prover import ProofPlan
    from esper.prover.parts import PartsPlan

T = TypeVar("T")

_GIB: Final = 1 << 30
_STEP_S: Final = 0.1
"""How often the time that is left is shown anew."""


class TooLittleMemoryError(Exception):
    """The proof would need more memory than there is; the message says what helps."""


def memory_line(plan: ProofPlan) -> str:
    """What is about to be done, in a line."""
    return (
        f"{plan.rows} rows, {plan.witness_cells / 1e6:.1f} million cells beside "
        f"{plan.model_cells / 1e6:.1f} million of the model: "
        f"about {gib(plan.memory_bytes)} of memory"
    )


def check_memory(plan: ProofPlan | PartsPlan, free: int | None) -> None:
    """Raise TooLittleMemoryError if the plan takes more than is free (bytes; None: not known)."""
    if free is not None and plan.memory_bytes > free:
        raise TooLittleMemoryError(
            f"the proof needs about {gib(plan.memory_bytes)} of memory and {gib(free)} are free: "
            "end other programs, lower --max-tokens, prove it in more --segments with fewer "
            "--workers, or say --any-memory to try nevertheless"
        )


def gib(size: int) -> str:
    """Bytes for people."""
    return f"{size / _GIB:.1f} GiB"


class Progress:
    """How much of a plan is done, and how long the rest takes at the pace so far."""

    def __init__(
        self, plan: ProofPlan | PartsPlan, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stages = plan.stages
        self._clock = clock
        self._began = clock()
        self._over = 0
        self._share = 0.0

    @property
    def stage(self) -> str:
        """Name of the stage that is being done; empty behind the last."""
        return self._stages[self._over][0] if self._over < len(self._stages) else ""

    @property
    def share(self) -> float:
        """Part of the work that is over, 0 to 1."""
        return self._share

    def done(self, stage: str) -> None:
        """A stage is over, and with it all before it; one that is not planned changes nothing."""
        names = [name for name, _ in self._stages]
        if stage in names[self._over :]:
            self._over = names.index(stage, self._over) + 1
            self._share = sum(share for _, share in self._stages[: self._over])

    def seconds_left(self) -> float | None:
        """At the pace of the stages that are over; None before the first."""
        if not 0 < self._share <= 1:
            return None
        if self._over == 1:
            # An answer has a pace of its own.
            return None
        return (self._clock() - self._began) * (1 - self._share) / self._share


@contextmanager
def shown(progress: Progress) -> Iterator[None]:
    """A bar on standard error while the block runs; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(progress.stage, total=1.0, left="")
        over = threading.Event()

        def follow() -> None:
            while not over.wait(_STEP_S):
                left = progress.seconds_left()
                text = "" if left is None else f"about {max(1, round(left))} s left"
                bar.update(task, description=progress.stage, completed=progress.share, left=text)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()


@contextmanager
def status(doing: str) -> Iterator[None]:
    """What is being done, for whoever watches a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(doing):
        yield


def apart(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises, done in another thread: ctrl-C ends the wait at once."""
    results: list[T] = []
    errors: list[BaseException] = []
    over = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            over.set()

    # It ends with the process: what is interrupted leaves nothing behind but memory.
    threading.Thread(target=run, daemon=True).start()
    over.wait()
    if errors:
        raise errors[0]
    return results[0]
