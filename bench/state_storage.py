"""Measure the state tree on disk: accounts, changes a block, levels a record.

python -m bench.state_storage [--levels 4 ...] [--accounts 1000 ...] [--changes 400] [--folder F]

Prints one Markdown row for each pair: medians over the blocks of the milliseconds to work out an
update and to read one value (processor time) and to write its batch (synced; elapsed time); hashes,
records and bytes of the batch; bytes of the folder afterwards.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.state.disk_state_tree import LEVELS, DiskStateTree
from esper.vm.state_tree import state_path
from esper.vm.view import Change

BLOCKS = 20
READS = 400
CHUNK = 50_000
_SEED = 7


@dataclass(frozen=True)
class Figures:
    """Medians of one setting."""

    update_ms: float
    """Working out which records change, reading them included."""
    write_ms: float
    """The synced batch."""
    read_us: float
    """One value by its path."""
    hashes: float
    """Hashes a block."""
    records: float
    """Records written a block."""
    written_kib: float
    """Keys and values written a block."""
    stored_mib: float
    """The folder after all blocks."""


def account_value(index: int, version: int) -> bytes:
    """An account's record: about 12 bytes, as the codec makes them."""
    return hashlib.sha3_256(b"%d %d" % (index, version)).digest()[:12]


def measure(folder: Path, levels: int, accounts: int, changes: int) -> Figures:
    """Fill a tree and apply blocks of changes: nine in ten to accounts that exist."""
    store = LevelDbStore(folder, create=True)
    tree = DiskStateTree(store, levels=levels)
    paths = [state_path(1, b"%d" % index) for index in range(accounts)]
    values = dict(sorted((path, account_value(i, 0)) for i, path in enumerate(paths)))
    writes = tree.update([Change(path, None, value) for path, value in values.items()]).writes
    for start in range(0, len(writes), CHUNK):
        store.write(writes[start : start + CHUNK])
    del writes
    chooser = random.Random(_SEED)
    seen: list[tuple[float, float, float, float, float, float]] = []
    for block in range(1, BLOCKS + 1):
        old = chooser.sample(paths, min(len(paths), changes - changes // 10))
        new = [state_path(2, b"%d %d" % (block, i)) for i in range(changes // 10)]
        listed: list[Change] = [
            Change(path, values.get(path), account_value(i, block))
            for i, path in enumerate(sorted([*old, *new]))
        ]
        reading = time.process_time()
        for path, _, _ in listed[:READS]:
            tree.get(path)
        began = time.process_time()
        update = tree.update(listed)
        computed = time.process_time()
        writing = time.perf_counter()
        store.write(update.writes)
        written = time.perf_counter()
        values.update((path, value) for path, _, value in listed if value is not None)
        size = sum(len(key) + len(value or b"") for key, value in update.writes)
        seen.append(
            (
                (computed - began) * 1e3,
                (written - writing) * 1e3,
                (began - reading) * 1e6 / len(listed[:READS]),
                update.hashes,
                len(update.writes),
                size / 1024,
            )
        )
    store.close()
    stored = sum(file.stat().st_size for file in folder.iterdir()) / (1 << 20)
    update_ms, write_ms, read_us, hashes, records, written_kib = (
        statistics.median(column) for column in zip(*seen, strict=True)
    )
    return Figures(update_ms, write_ms, read_us, hashes, records, written_kib, stored)


def main() -> None:
    """Measure every pair that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=[LEVELS])
    parser.add_argument("--accounts", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--changes", type=int, default=400)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary one without it")
    chosen = parser.parse_args()
    print(
        "| accounts | levels | update, ms | write, ms | read, µs | hashes | records | KiB | MiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for accounts in chosen.accounts:
        for levels in chosen.levels:
            with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
                found = measure(Path(folder) / "index", levels, accounts, chosen.changes)
            print(
                f"| {accounts} | {levels} | {found.update_ms:.0f} | {found.write_ms:.0f} "
                f"| {found.read_us:.0f} | {found.hashes:.0f} | {found.records:.0f} "
                f"| {found.written_kib:.0f} | {found.stored_mib:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
