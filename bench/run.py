"""Measure this machine and write bench/RESULTS.md.

Each measurement runs in a fresh process, so that peak memory is its own and nothing is warm from
the one before; the median of several processes is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "RESULTS.md"
GENESIS = ROOT / "genesis" / "model"
NODE_MINUTES = 4.0

sys.path.insert(0, str(ROOT))

from bench.chain_tables import (  # noqa: E402
    import_table,
    mempool_table,
    node_table,
    start_table,
    state_table,
)
from bench.dao_tables import dao_tables  # noqa: E402
from bench.network_tables import network_tables  # noqa: E402
from bench.plan_check import plan_tables  # noqa: E402
from bench.random_checkpoint import STORIES_15M, write_random_model  # noqa: E402


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to measure."""

    name: str
    """As the table shows it."""
    directory: Path
    """Folder of the integer model and the float checkpoint it was exported from."""


def measured(*arguments: str, threads: int | None = None) -> dict[str, Any]:
    """Run one measurement in a fresh process, on so many threads, and return what it printed."""
    environment = dict(os.environ)
    if threads is not None:
        environment["RAYON_NUM_THREADS"] = str(threads)
    done = subprocess.run(
        [sys.executable, "-m", "bench.measure", *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return the median of each field over the runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def decode_row(subject: Subject, runs: int) -> str:
    """Decode with both engines in `runs` processes; return the row of the table."""
    speed = medians([measured("decode", str(subject.directory)) for _ in range(runs)])
    return row(
        subject.name,
        f"{speed['integer']:,.0f}",
        f"{speed['float']:,.0f}",
        f"{speed['integer'] / speed['float']:.2f}",
    )


def score_table(runs: int) -> list[str]:
    """Replays of answers beside the answers."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.score_cost", "--runs", str(runs)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [
        "## Replay of an answer",
        "",
        "Processor seconds of `score`, one pass over prompt and answer, in parts of those that the",
        "answer took, by tokens of prompt and answer: alone, 32 at once, and a replay alone beside",
        "an answer that was made with 31 others.",
        "",
        *done.stdout.splitlines(),
    ]


def row(*cells: str) -> str:
    """Return one row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def shared_models() -> Path | None:
    """Return the folder of the published models, or None where this machine has none."""
    named = os.environ.get("ESPER_SHARED")
    folder = (Path(named) if named is not None else ROOT.parent / "shared") / "models"
    return folder if folder.is_dir() else None


def subjects(folder: Path) -> tuple[list[Subject], list[str]]:
    """Return what can be measured here, and a sentence for each that cannot."""
    found: list[Subject] = []
    skipped: list[str] = []
    shared = shared_models()
    if shared is not None:
        found.append(Subject("stories260K", shared / "stories260K"))
    else:
        skipped.append("stories260K: not measured, ESPER_SHARED names no folder with models/.")
    if (GENESIS / "g16.safetensors").is_file():
        found.append(Subject("genesis", GENESIS))
    else:
        skipped.append("genesis: not measured, genesis/model holds no g16.safetensors.")
    random = folder / "random-15M"
    write_random_model(random, STORIES_15M, gate_bits=12)
    found.append(Subject("15M shape, random weights", random))
    return found, skipped


def machine() -> Iterable[str]:
    """Yield lines that say what was measured on."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    rust = subprocess.run(["rustc", "--version"], check=True, capture_output=True, text=True)
    yield f"- {processor}, {len(os.sched_getaffinity(0))} processors, {memory:.0f} GiB"
    yield f"- {platform.system()}, CPython {platform.python_version()}, {rust.stdout.strip()}"


def report(runs: int) -> str:
    """Measure everything and return the text of RESULTS.md."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found, skipped = subjects(folder)
        decodes = [decode_row(s, runs) for s in found]
    lines = [
        "# Measured by `make bench`",
        "",
        *machine(),
        f"- median of {runs} runs, each in a fresh process; other load is not kept away",
        "",
        "Proofs of all sizes are measured by `make bench-proof`: [PROOFS.md](PROOFS.md).",
        "",
        "## Inference",
        "",
        "Greedy decoding of one sequence on one thread, up to 256 positions, output projection",
        "included, in tokens per second. Both engines by turns in the same process.",
        "",
        row("model", "integer", "float32", "ratio"),
        row(*["---"] * 4),
        *decodes,
        *(["", *skipped] if skipped else []),
        "",
        *score_table(runs),
        "",
        *import_table(),
        "",
        *state_table(),
        "",
        *start_table(),
        "",
        *mempool_table(),
        "",
        *node_table(NODE_MINUTES),
        "",
        *network_tables(runs),
        "",
        *dao_tables(runs),
        "",
        *plan_tables(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure this machine, write bench/RESULTS.md.")
    parser.add_argument("--runs", type=int, default=3, help="processes per measurement")
    options = parser.parse_args()
    RESULTS.write_text(report(options.runs))
    print(RESULTS.read_text())
