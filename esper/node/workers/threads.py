"""How many threads are of use: one rule for flags, files, the environment and requests.

Each call of the engine wakes all of its threads and waits for the last. With hundreds of them on a
few processors a miner never finishes an attempt, and says nothing of it.
"""

import os
from typing import Final

PER_PROCESSOR: Final = 4
"""Beyond one for each processor they only share; so many still cost little."""


class ThreadsError(ValueError):
    """Threads that are of no use, here or to whom they were meant for; the message says why."""


def processors() -> int:
    """Processors that this process may run on, at least 1."""
    return max(len(os.sched_getaffinity(0)), 1)


def most_threads() -> int:
    """The most threads that a search or a prover may be given here."""
    return PER_PROCESSOR * processors()


def check_threads(threads: int) -> None:
    """Raises ThreadsError for more than ``most_threads``."""
    if threads > most_threads():
        count = processors()
        here = "1 processor" if count == 1 else f"{count} processors"
        raise ThreadsError(f"must be at most {most_threads()} on this machine, which has {here}")
