"""Stands for ``esperd``: says what it was told, and ends when it is signalled.

What it does beyond is read from the file ``behave`` beside its data directory: ``dies STATUS``,
``deaf`` for one that hears no ctrl-C. The first of a network serves an RPC that says where it is.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

PATIENCE_S = 60.0


def main() -> None:
    words = sys.argv[1:]
    datadir = Path(words[words.index("--datadir") + 1])
    behave = datadir.parent / f"{datadir.name}.behave"
    told = behave.read_text() if behave.exists() else ""
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    print(f"runs {' '.join(words)}", flush=True)
    print("says \u00e9", file=sys.stderr, flush=True)
    if told.startswith("dies"):
        sys.exit(int(told.split()[1]))
    if "--alone" in words and "serves" in told:
        from tests.support.node.fake_node import FakeNode, served, settings

        datadir.mkdir(parents=True)
        with served(FakeNode(), settings(datadir)):
            wait(stopped, told)
    else:
        wait(stopped, told)
    print(f"closes after {signal.Signals(stopped[0]).name}", flush=True)


def wait(stopped: list[int], told: str) -> None:
    ends = time.monotonic() + PATIENCE_S
    while (not stopped or told == "deaf") and time.monotonic() < ends:
        time.sleep(0.01)


if __name__ == "__main__":
    main()
