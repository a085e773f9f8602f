"""The tables of `make bench` about the chain: import, state, start."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LONG_CHAIN = 100_000
ACCOUNTS = (10**3, 10**4, 10**5, 10**6)

IMPORT_ROWS = (
    ("whole block through the chain manager", "import"),
    ("reading the parts", "read"),
    ("rules in isolation: roots, decoding, ids", "isolation"),
    ("the work's proof and its other rules", "work"),
    ("execution without signatures", "execution"),
    ("signatures, one thread", "signatures"),
    ("signatures, two threads", "signatures_pool"),
    ("state root", "root"),
    ("files, index and tip, synced", "append"),
)


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def import_table() -> list[str]:
    """Blocks of 200 transfers from known keys: the whole and its parts."""
    figures: dict[str, Any] = json.loads(_run("bench.chain_import"))
    return [
        "## Import of a block with 200 transfers from known keys",
        "",
        "Genesis model's proof, ML-DSA-65 signatures, two threads for them; medians of",
        f"five blocks. **{figures['blocks_per_s']:.1f} blocks a second.**",
        "",
        "| part | ms |",
        "| --- | --- |",
        *(f"| {what} | {figures[name]:.1f} |" for what, name in IMPORT_ROWS),
    ]


def state_table() -> list[str]:
    """Update of the state tree by number of accounts."""
    arguments = ["--accounts", *map(str, ACCOUNTS)]
    return [
        "## State update of 400 changes",
        "",
        "Medians of 20 blocks: processor time to work out an update and to read one value, elapsed",
        "time of the synced batch; hashes, records and KiB of the batch; MiB of the folder.",
        "",
        *_run("bench.state_storage", *arguments).splitlines(),
    ]


def start_table() -> list[str]:
    """Opening a long chain without replay, and the memory of a node that idles on it."""
    with tempfile.TemporaryDirectory() as folder:
        _run("bench.chain_start", "fill", folder, str(LONG_CHAIN))
        figures: dict[str, Any] = json.loads(_run("bench.chain_start", "open", folder))
    return [
        "## Start and idle memory",
        "",
        f"A chain of {figures['height']:,.0f} blocks without work (a fake work port) is ready for",
        f"its next block {figures['open_s']:.2f} s after the start of opening; the process then",
        f"holds {figures['resident_mib']:.0f} MiB, without a model.",
    ]


def mempool_table() -> list[str]:
    """Admission to a mempool that is full."""
    runs = [json.loads(_run("bench.mempool_bench", *arguments)) for arguments in ((), ("--known",))]
    return [
        "## Admission to a full mempool",
        "",
        "Transfers that pay more than what waits, on one core, signature check included; each lets",
        "another one go.",
        "",
        "| bytes of a transfer | waiting | MiB | admitted a second |",
        "| --- | --- | --- | --- |",
        *(
            f"| {run['bytes']:,} | {run['held']:,} | {run['held_mib']:.0f} "
            f"| {run['per_second']:,.0f} |"
            for run in runs
        ),
    ]


def node_table(minutes: float) -> list[str]:
    """A devnet node that mines, asked by one client; an hour of it is `make bench-hour`."""
    figures: dict[str, Any] = json.loads(
        _run("bench.devnet_run", "--minutes", str(minutes), "--call-every", "20")
    )
    return [
        f"## A devnet node that mines and answers calls, {figures['minutes']:.0f} minutes",
        "",
        "All processors search and prove; one client asks ten times a second; calls arrive at",
        "random, three a minute on average.",
        "",
        "| what | |",
        "| --- | --- |",
        "| blocks; expected by the spacing; by speed and target "
        f"| {figures['blocks']:.0f}; {figures['blocks_expected']:.0f}; "
        f"{figures['blocks_expected_by_speed']:.0f} |",
        f"| calls made, answered | {figures['calls']:.0f}, {figures['calls_answered']:.0f} |",
        f"| median time to an answer in a block | {figures['answer_median_s']:.1f} s |",
        f"| JSON-RPC p50, p99, longest | {figures['rpc_p50_ms']:.1f}, {figures['rpc_p99_ms']:.1f}, "
        f"{figures['rpc_max_ms']:.0f} ms |",
        f"| node's memory, first and last quarter | {figures['node_mib'][0]:.0f}, "
        f"{figures['node_mib'][-1]:.0f} MiB |",
        f"| its provers' | {figures['provers_mib'][0]:,.0f}, {figures['provers_mib'][-1]:,.0f}, "
        f"at most {figures['provers_mib_most']:,.0f} MiB |",
        f"| proof of a ticket, attempts a second | {figures['proof_ms']:.0f} ms, "
        f"{figures['attempts_per_second']:.0f} |",
        f"| time to a clean stop | {figures['shutdown_s']:.1f} s |",
    ]
