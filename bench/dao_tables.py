"""The tables of `make bench` about votes and models: rules, packages, import and export.

python -m bench.dao_tables [--runs 3]    prints them alone, as Markdown

What a rotation takes on devnet is measured by `python -m bench.ready_time`, for twenty minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def _run(module: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def rules_table(runs: int) -> list[str]:
    """Blocks full of votes, an epoch's beginning, the tiers of a height."""
    found = [json.loads(_run("bench.dao_figures", "--json")) for _ in range(runs)]
    return [
        "## What votes cost",
        "",
        "Execution on a state in memory, signatures apart, on one core.",
        "",
        "| | ms |",
        "| --- | --- |",
        *(f"| {what} | {statistics.median(one[what] for one in found):.4g} |" for what in found[0]),
    ]


def packages_table(runs: int) -> list[str]:
    """Chunks of a package between two nodes."""
    found: dict[str, Any] = json.loads(_run("bench.network_packages", "--runs", str(runs)))
    return [
        "## Chunks of a package from one node to another",
        "",
        "Both in one process on loopback, rates lifted; the bare stream is the same link's, whose",
        f"bytes nobody looks at. Load {os.getloadavg()[0]:.1f}.",
        "",
        "| | MiB a second | processor time of both ends, ms a MiB |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {found[f'{key}_mib_per_s']:.1f} | {found[f'{key}_processor_ms']:.0f} |"
            for name, key in (("chunks", "chunks"), ("the bare stream", "bare"))
        ),
    ]


def import_table() -> list[str]:
    """Checkpoints of random weights."""
    with tempfile.TemporaryDirectory() as folder:
        table = _run("bench.import_export", folder).splitlines()
    return ["## Import and export of checkpoints", "", *table]


def reports_table() -> list[str]:
    """Reports on models: asking, proving, a block full of proofs."""
    return ["## What a report on a model costs", "", *_run("bench.report_cost").splitlines()]


def dao_tables(runs: int) -> list[str]:
    """All of them."""
    return [
        *rules_table(runs),
        "",
        *reports_table(),
        "",
        *packages_table(runs),
        "",
        *import_table(),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each measurement")
    print("\n".join(dao_tables(parser.parse_args().runs)))
