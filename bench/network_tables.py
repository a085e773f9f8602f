"""The tables of `make bench` about the network.

python -m bench.network_tables [--runs 3]    prints them alone, as Markdown
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
CHAIN = ROOT / ".tools" / "chains" / "proven-200.chain"
PICTURE = "network_spread.svg"


def _run(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def relay_table(runs: int) -> list[str]:
    """One block to ten nodes, by turns with pubsub."""
    star, gossip, known, mesh, mesh_gossip = [], [], [], [], []
    for _ in range(runs):
        star.append(_run("bench.network_relay"))
        gossip.append(_run("bench.network_relay", "--gossipsub"))
        known.append(_run("bench.network_relay", "--known"))
        mesh.append(_run("bench.network_relay", "--shape", "mesh"))
        mesh_gossip.append(_run("bench.network_relay", "--shape", "mesh", "--gossipsub"))
    all_known = [_run("bench.network_relay", "--shape", "mesh", "--known") for _ in range(runs)]
    rows = [
        ("star", "unknown", star),
        ("star", "in all mempools", known),
        ("each dials four", "unknown", mesh),
        ("each dials four", "in all mempools", all_known),
    ]
    lines = [
        "## A block of 500 kB to ten nodes",
        "",
        "Eleven nodes in one process on loopback, proofs and their verification FAKE (of a real",
        "one's size; computing for 3.6 ms); medians of blocks after two and of runs, milliseconds",
        "until the last of the ten has all parts, has proven and has executed the block. The",
        "message of gossipsub (py-libp2p 0.8.1) has as many bytes and is not checked by anybody.",
        f"Load when it began: {os.getloadavg()[0]:.1f}.",
        "",
        "| shape | transactions | all parts | proven | executed | processor, all nodes |"
        " MB sent, all | bytes a block and link | naive flooding |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for shape, transactions, found in rows:
        one = _medians(found)
        lines.append(
            f"| {shape} | {transactions} | {one['came_ms']:.0f} | {one['proven_ms']:.0f} "
            f"| {one['executed_ms']:.0f} | {one['processor_ms']:.0f} "
            f"| {one['sent_by_all'] / 1e6:.2f} | {one['sent_by_all'] / one['links']:,.0f} "
            f"| {one['flooded_bytes'] / one['links']:,.0f} |"
        )
    for shape, found in (("star", gossip), ("each dials four", mesh_gossip)):
        one = _medians(found)
        lines.append(
            f"| {shape} | gossipsub | {one['has_ms']:.0f} | - | - "
            f"| {one['processor_ms']:.0f} | - | - | - |"
        )
    return lines


def sync_table(runs: int) -> list[str]:
    """A new node behind four peers."""
    often = ("--runs", str(runs))
    proven = _run("bench.network_sync", "--proven", str(CHAIN), "--blocks", "96", *often)
    empty = _run("bench.network_sync", "--blocks", "600", *often)
    trusted = _run("bench.network_sync", "--blocks", "250", "--assume-valid", *often)
    rows = [
        ("200 transfers, real proofs", proven),
        ("empty, FAKE proofs of a real one's size, 3.6 ms to verify", empty),
        ("empty, 250 blocks, FAKE proofs, the last vouched for (`assume_valid`)", trusted),
    ]
    return [
        "## A new node follows a chain",
        "",
        "Over sockets, from four peers in another process of this machine, with every limit that",
        f"nodes have; medians of {runs} runs. Load when it ended: {os.getloadavg()[0]:.1f}.",
        "",
        "| blocks | a second | processor time of the new node, ms a block |",
        "| --- | --- | --- |",
        *(
            f"| {what} | {found['blocks_per_s']:.1f} | {found['processor_ms']:.1f} |"
            for what, found in rows
        ),
    ]


def package_table(runs: int) -> list[str]:
    """Chunks of a package beside the bare stream."""
    found = _run("bench.network_packages", "--runs", str(runs))
    return [
        "## A package of 48 MiB from one node to another",
        "",
        "Both nodes in one process on loopback, rates lifted, the package in memory; the bare",
        f"stream is that of the same links. Medians of {runs} runs; load at the end: "
        f"{found['load']:.1f}.",
        "",
        "| what | MiB/s | processor time of both ends, ms a MiB |",
        "| --- | --- | --- |",
        f"| chunks, each checked and kept | {found['chunks_mib_per_s']:.0f} "
        f"| {found['chunks_processor_ms']:.1f} |",
        f"| the bare stream | {found['bare_mib_per_s']:.0f} | {found['bare_processor_ms']:.1f} |",
    ]


def idle_table() -> list[str]:
    """What peers cost."""
    found = _run("bench.network_idle")
    return [
        "## Ten peers and nothing to do",
        "",
        "| what | |",
        "| --- | --- |",
        f"| memory of a peer beyond the first | {found['kib_a_peer']:.0f} KiB |",
        f"| node without peers, with one, with ten | {found['alone_kib'] / 1024:.0f}, "
        f"{found['one_peer_kib'] / 1024:.0f}, {found['all_kib'] / 1024:.0f} MiB |",
        "| share of a processor, without peers and with ten | "
        f"{100 * found['processor_alone']:.2f} %, {100 * found['processor_visited']:.2f} % |",
    ]


def spread_table() -> list[str]:
    """The simulation, and its picture."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / PICTURE
        found = _run("bench.network_spread", "--svg", str(picture))
        (ROOT / "bench" / PICTURE).write_text(picture.read_text())
    lines = [
        "## Networks of 10 to 10,000 nodes, SIMULATED",
        "",
        "`bench/network_spread.py` says what the model is: the relay's rules in a queue of events,",
        "uplinks of 100 Mbit/s, blocks of 500 kB. Milliseconds until half of the nodes and 95 %",
        "have proven a block, and MB that a node sends for it; naive flooding beside it.",
        "",
        f"![propagation and traffic by size of the network]({PICTURE})",
        "",
        "| nodes | half | 95 % | all | MB | flooding: 95 % | MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for relay, flooding in zip(found["relay"], found["flooding"], strict=True):
        lines.append(
            f"| {relay['nodes']:,} | {relay['half_ms']:.0f} | {relay['most_ms']:.0f} "
            f"| {relay['all_ms']:.0f} | {relay['megabytes']:.2f} | {flooding['most_ms']:.0f} "
            f"| {flooding['megabytes']:.2f} |"
        )
    return lines


def world_table() -> list[str]:
    """The whole network: minutes, and its two pictures."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.network_world", "--calibrate", "--svg", "bench"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.rstrip().splitlines()


def network_tables(runs: int = 3) -> list[str]:
    """All of them."""
    tables = (
        relay_table(runs),
        sync_table(runs),
        package_table(runs),
        idle_table(),
        spread_table(),
        world_table(),
    )
    return [line for table in tables for line in (*table, "")][:-1]


def _medians(found: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    print("\n".join(network_tables(parser.parse_args().runs)))
