"""What a simulation puts in place of threads and disks: work done at once, on trio's clock."""

import os
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar
from unittest import mock

import trio

from tests.support.net.memory_link import seeded_run
from tests.support.sim.sim_signatures import fake_signatures

T = TypeVar("T")


@contextmanager
def inline_threads(randomness: random.Random, most_s: float = 0.004) -> Iterator[None]:
    """Do in the event loop what threads would do, each after a seeded time up to ``most_s``.

    Nothing reaches the disk for good meanwhile: a simulated machine does not lose its power.
    """

    async def run_sync(work: Callable[..., T], *args: Any, **options: Any) -> T:
        limiter = options.get("limiter") or nullcontext()
        await trio.lowlevel.checkpoint_if_cancelled()
        # As the threads of trio are waited for: cancelling does not end what has begun.
        with trio.CancelScope(shield=True):
            async with limiter:
                await trio.sleep(randomness.uniform(0, most_s))
                result = work(*args)
        return result

    with (
        mock.patch("trio.to_thread.run_sync", run_sync),
        mock.patch.object(os, "fsync", return_value=None),
    ):
        yield


def simulated(main: Callable[[], Awaitable[T]], seed: int) -> T:
    """Run a whole simulation: equal seeds give equal runs."""
    with inline_threads(random.Random(f"threads {seed}")), fake_signatures():
        return seeded_run(main, seed=seed)
