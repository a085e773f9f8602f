"""How fast the extensions of a wheel prove, beside the one that was built for this processor.

    python -m bench.wheel_levels dist/esperchain-*.whl [--rounds 15]

Each extension proves the genesis model at 64 rows in a long-lived process of its own. The
processes take turns, so that other work on the machine meets them all alike; medians and fastest
of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from esper.native_record import RECORD_NAME, BuildRecord

ROOT = Path(__file__).resolve().parents[1]
PROMPT_TOKENS, ANSWER_TOKENS = 49, 16


def answer_turns() -> None:
    """The child: prove once for each line that comes in, and say how long it took."""
    from esper.embedded import find_embedded
    from esper.model import load_model
    from esper.prover import prove

    model = load_model(find_embedded().model)
    prompt = [model.bos, *(7 + 5 * place for place in range(PROMPT_TOKENS - 1))]
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        prove(model, [prompt], max_answer=ANSWER_TOKENS, binding=bytes(64))
        took = {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}
        print(json.dumps(took), flush=True)


class Prover:
    """A child process."""

    def __init__(self, level: str, package: Path) -> None:
        self.level = level
        self.turns: list[dict[str, float]] = []
        code = f"import sys; sys.path[:0] = {[str(package), str(ROOT)]!r}\n"
        code += "from bench.wheel_levels import answer_turns; answer_turns()"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=package,
        )

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def turn(self) -> None:
        """Prove once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.turns.append(json.loads(self.process.stdout.readline()))

    def figures(self, what: str) -> tuple[float, float]:
        """Median and fastest, in seconds; the first turn warmed up."""
        taken = [turn[what] for turn in self.turns[1:]]
        return statistics.median(taken), min(taken)


def unpacked(wheel: Path, folder: Path) -> list[tuple[str, Path]]:
    """A package folder for each extension of the wheel, whose record names it alone."""
    found = []
    with zipfile.ZipFile(wheel) as archive:
        record = BuildRecord.from_json(archive.read(f"esper/{RECORD_NAME}").decode())
        for extension in record.extensions:
            package = folder / extension.level
            archive.extractall(package)
            alone = replace(record, extensions=(extension,))
            (package / "esper" / RECORD_NAME).write_text(alone.to_json())
            found.append((extension.level, package))
    return found


def measure(wheel: Path, rounds: int) -> list[dict[str, Any]]:
    """Figures of each level, the first of the checkout's own extension."""
    with TemporaryDirectory() as folder, ExitStack() as running:
        packages = [("native", ROOT), *unpacked(wheel, Path(folder))]
        provers = [running.enter_context(Prover(*one)) for one in packages]
        for _ in range(rounds + 1):
            for prover in provers:
                prover.turn()
        return [
            {
                "level": prover.level,
                "processor": prover.figures("processor"),
                "wall": prover.figures("wall"),
            }
            for prover in provers
        ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    found = measure(arguments.wheel, arguments.rounds)
    print("| extension | processor s, median | fastest | wall s, median | fastest |")
    print("|---|---|---|---|---|")
    for one in found:
        cells = [*one["processor"], *one["wall"]]
        ours = [*found[0]["processor"], *found[0]["wall"]]
        texts = [f"{a:.3f} ({a / b:.2f})" for a, b in zip(cells, ours, strict=True)]
        print(f"| {one['level']} | {' | '.join(texts)} |")


if __name__ == "__main__":
    main()
