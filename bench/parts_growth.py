"""Peak memory of proofs in parts, as layers grow and segments stay as long as they are.

    python -m bench.parts_growth [--layers 6 12 24 48] [--each 6] [--dim 288] [--tokens 16]

Random weights in the width of the 15M story model, a vocabulary of 4,096. Each model is proven by
`esper prove --segments N` with one worker, N = layers / each, and beside it as one part up to
``--whole`` layers. Told is the largest resident size of any of the command's processes, as the
kernel knows it, and of the file of the model's integers, which are read whole to answer.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.random_integers import write_random_integers
from esper.model.config import Shape
from esper.model.g16_parameters import INTEGERS_FILE
from tests.support.node.node_process import BIN

HEAD_DIM: Final = 48
HIDDEN: Final = 768
VOCAB: Final = 4096
EVERY_S: Final = 0.02
MIB: Final = 1 << 20


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        below = {int(one) for task in tasks for one in (task / "children").read_text().split()}
    except OSError:
        return
    for one in below:
        yield from family(one)


def high_water(pid: int) -> int:
    """Largest resident bytes of a process so far, 0 for one that has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(one.split()[1]) << 10 for one in lines if one.startswith("VmHWM:")), 0)


def peak_of(command: list[str]) -> int:
    """Bytes of the largest process of a command that runs to its end. Raises CalledProcessError."""
    largest = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            largest = max(largest, *map(high_water, family(process.pid)))
            time.sleep(EVERY_S)
        assert process.stderr is not None
        said = process.stderr.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
    return largest


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--layers", type=int, nargs="+", default=[6, 12, 24, 48])
    parser.add_argument("--each", type=int, default=6, help="layers of a segment")
    parser.add_argument("--dim", type=int, default=288)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--whole", type=int, default=24, help="layers proven as one part, at most")
    chosen = parser.parse_args()
    print("| layers | segments | largest process, MiB | integers, MiB | proof, bytes |")
    print("|---|---|---|---|---|")
    for layers in chosen.layers:
        heads = chosen.dim // HEAD_DIM
        shape = Shape(VOCAB, chosen.dim, HIDDEN, layers, heads, heads, HEAD_DIM, 512)
        with tempfile.TemporaryDirectory() as temporary:
            folder, out = Path(temporary) / "model", Path(temporary) / "proof"
            write_random_integers(folder, shape)
            integers = (folder / INTEGERS_FILE).stat().st_size
            cuts = {layers // chosen.each} | ({1} if layers <= chosen.whole else set())
            for segments in sorted(cuts):
                words = ["--prompt", "w1 w2 w3", "--max-tokens", str(chosen.tokens), "--force"]
                command = [str(BIN / "esper"), "prove", str(folder), *words]
                took = peak_of([*command, "--segments", str(segments), "--out", str(out)])
                print(
                    f"| {layers} | {segments} | {took / MIB:,.0f} | {integers / MIB:,.0f} "
                    f"| {out.stat().st_size:,} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
