"""Appends and rewinds until it is killed; tells before and after every step.

python writer_child.py DATADIR SEED [groups 0 | torn N | partial N | limit BYTES]

``groups`` appends several blocks at once, ``torn N`` does that and kills itself in the middle of
the Nth write to a segment file, as ``partial N`` does block by block, ``limit BYTES`` makes the
system refuse files longer than that, as a full disk would.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from esper.storage.errors import RewindLimitError, WriteFailedError
from esper.storage.segments.segment_writer import open_for_append
from tests.support.crash.fake_chain import append_one, large_index, opened, options, small_index

STEPS = 2000
REWIND_SHARE = 0.3
PRUNE_EVERY = 25
PRUNE_DEPTH = 30
LONGEST_GROUP = 8


class DyingFile:
    """Writes half of what it is given, then kills its process."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> DyingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, data: memoryview) -> int:
        self._stream.write(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("outlived its own end")


class CountingOpener:
    """Opens files as they are until the Nth, which is a dying one."""

    def __init__(self, last: int) -> None:
        self._left = last

    def __call__(self, path: Path) -> Any:
        self._left -= 1
        stream = open_for_append(path)
        return DyingFile(stream) if self._left == 0 else stream


def main(datadir: Path, seed: int, mode: str, number: int) -> None:
    dies, grouped = mode in ("partial", "torn"), mode in ("groups", "torn")
    opener = CountingOpener(number) if dies else open_for_append
    chooser = random.Random(seed)
    index = large_index if mode == "limit" else small_index
    with opened(datadir, options(opener, index)) as store:
        print("ready", store.tip.height, store.tip.block_id.hex(), flush=True)
        if mode == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
        for step in range(STEPS):
            back = chooser.random() < REWIND_SHARE
            count = 0 if back or not grouped else chooser.randint(1, LONGEST_GROUP)
            word = "rewind" if back else f"group {count}" if count else "append"
            print("begin", word, flush=True)
            try:
                if back:
                    store.rewind()
                elif count:
                    with store.group():
                        for place in range(count):
                            append_one(store, (seed * STEPS + step) * LONGEST_GROUP + place)
                else:
                    append_one(store, seed * STEPS + step)
            except RewindLimitError:
                pass
            except WriteFailedError as error:
                print("refused", error, flush=True)
                return
            print("done", store.tip.height, store.tip.block_id.hex(), flush=True)
            if step % PRUNE_EVERY == PRUNE_EVERY - 1:
                store.prune_proofs(store.tip.height - PRUNE_DEPTH)


if __name__ == "__main__":
    _, where, first, *more = sys.argv
    how, many = more or ("", "0")
    main(Path(where), int(first), how, int(many))
