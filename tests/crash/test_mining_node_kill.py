"""Killed at any moment, a mining node loses no block and no transaction that it told of."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from esper.consensus.block_isolation import read_body
from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.node.chain.history import catch_up
from esper.node.offline.verify_chain import verified_blocks
from esper.node.running_node import JOURNAL_FILE
from esper.primitives.ids import block_id_of
from esper.storage.chain_index import ChainIndex
from esper.storage.history.history_index import HistoryIndex
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.segments.block_files import (
    BLOCK_FOLDER,
    PROOF_FOLDER,
    BlockAdded,
    BlockFiles,
    journal_entry,
)
from esper.storage.segments.segment_reader import Locator, SegmentReader
from esper.storage.side_blocks import SIDE_FOLDER
from esper.storage.store_options import INDEX_FOLDER
from esper.vm.transaction import decode_transaction
from tests.support.crash.crash_world import PARAMS, UNDO_DEPTH, VERIFIER, Node, now_ms, open_node
from tests.support.storage.memory_store import MemoryStore
from tests.support.storage.store_check import check_store

pytestmark = pytest.mark.serial

CHILD = Path(__file__).parents[1] / "support" / "crash" / "node_child.py"
SHORTEST_LIFE_S = 0.1
LONGEST_LIFE_S = 0.9
HANGS_AFTER_S = 60
KILLED = -signal.SIGKILL
MID_WRITE = "in the middle of a write"


@dataclass
class Told:
    """Everything that the nodes of a data directory told, over all their lives."""

    blocks: dict[str, str] = field(default_factory=dict)
    """Parent by id of every block that was told."""
    weight: int = 0
    """Of the chain, when it was last told."""
    sent: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    moves: int = 0
    """Changes of chain."""


@dataclass
class Life:
    """How one node ended."""

    code: int = 0
    step: str = ""
    """The step that it was in."""
    refused: str | None = None


class Nursery:
    """The process that forks nodes."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._parent = subprocess.Popen(
            [sys.executable, str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "ESPER_STALE_NATIVE": "allow"},
        )

    def close(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(HANGS_AFTER_S)
        self._parent.stdout.close()
        self._errors.close()

    def live(
        self, told: Told, datadir: Path, seed: int, *script: object, kill_after: float | None = None
    ) -> Life:
        """Run a node; kill it so many seconds after it was born, or leave it to its script."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(datadir, seed, *script, file=self._parent.stdin, flush=True)
        life = Life()
        killer: threading.Timer | None = None
        for line in self._parent.stdout:
            word, *rest = line.split()
            if word == "alive":
                after = HANGS_AFTER_S if kill_after is None else kill_after
                killer = threading.Timer(after, os.kill, (int(rest[0]), signal.SIGKILL))
                killer.start()
            elif word == "ended":
                life.code = int(rest[0])
                break
            else:
                self._heard(told, life, word, rest)
        assert killer is not None
        killer.cancel()
        killer.join()
        self._errors.seek(0)
        assert life.code != 1, self._errors.read()
        return life

    @staticmethod
    def _heard(told: Told, life: Life, word: str, rest: list[str]) -> None:
        if word == "begin":
            life.step = rest[0]
        elif word == "block":
            told.blocks[rest[1]] = rest[2]
            told.weight = int(rest[3])
        elif word == "moved":
            told.moves += 1
        elif word == "sent":
            told.sent.add(rest[0])
        elif word == "dropped":
            told.dropped.add(rest[0])
        elif word == "refused":
            life.refused = " ".join(rest)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    opened = Nursery()
    yield opened
    opened.close()


def half_done(datadir: Path) -> set[str]:
    """Traces of writes that a kill cut in two, before anything mends them."""
    traces = set()
    suffixes = {path.suffix for path in (datadir / SIDE_FOLDER).glob("*")}
    if suffixes - {".block"}:
        traces.add(f"unfinished file in {SIDE_FOLDER}")
    if new_journal(datadir).exists():
        traces.add("unfinished journal of the mempool")
    index = datadir / INDEX_FOLDER
    if not (index / "CURRENT").exists():
        return traces
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(index, copy, dirs_exist_ok=True)
        store = LevelDbStore(Path(copy), create=False)
        tip = ChainIndex(store, index).tip_if_any()
        store.close()
    if tip is not None:
        for folder, end in ((BLOCK_FOLDER, tip.journal), (PROOF_FOLDER, tip.proofs)):
            if files_end(SegmentReader(datadir / folder)) > Locator(*end):
                traces.add(f"{folder} ahead of the index")
    return traces


def new_journal(datadir: Path) -> Path:
    """Where a journal is written that is to replace the old one."""
    return (datadir / JOURNAL_FILE).with_suffix(".new")


def files_end(reader: SegmentReader) -> Locator:
    files = reader.files()
    return Locator(files[-1], reader.path(files[-1]).stat().st_size) if files else Locator(0, 0)


class Replays:
    """The chain of the journal in memory, from genesis on; what was replayed once is kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, BlockBytes], ProvenChain] = {}
        self._txids: dict[BlockAdded, frozenset[str]] = {}

    def txids(self, block: BlockAdded) -> frozenset[str]:
        """Ids of a block's transactions, its coinbase apart."""
        if block not in self._txids:
            transactions = read_body(block.body, PARAMS.limits).transactions[:-1]
            ids = (decode_transaction(data, 1 << 20).txid.hex() for data in transactions)
            self._txids[block] = frozenset(ids)
        return self._txids[block]

    def of(self, datadir: Path) -> ProvenChain:
        chain = ProvenChain.genesis(PARAMS)
        for data in BlockFiles(datadir):
            key = chain.context.tip_id, data
            if key not in self._known:
                block = read_block(data, PARAMS.limits)
                self._known[key] = extend(chain, block, VERIFIER, now_ms=now_ms())
            chain = self._known[key]
        return chain


def forgotten_by_rule(datadir: Path, told: Told, block_id: str, tip: int) -> bool:
    """Whether a block's branch left the chain below the deepest block that can be taken off."""
    heights = {
        data.block_id.hex(): height for height, data in enumerate(standing_blocks(datadir), start=1)
    }
    while block_id in told.blocks and block_id not in heights:
        block_id = told.blocks[block_id]
    return heights.get(block_id, 0) < tip - UNDO_DEPTH


def journal_blocks(datadir: Path) -> dict[bytes, BlockAdded]:
    """Every block that ever joined the chain."""
    reader = SegmentReader(datadir / BLOCK_FOLDER)
    entries = (journal_entry(payload, place, reader) for place, payload in reader)
    return {entry.block_id: entry for entry in entries if isinstance(entry, BlockAdded)}


def standing_blocks(datadir: Path) -> list[BlockAdded]:
    reader, chain = SegmentReader(datadir / BLOCK_FOLDER), list[BlockAdded]()
    for place, payload in reader:
        entry = journal_entry(payload, place, reader)
        if isinstance(entry, BlockAdded):
            chain.append(entry)
        else:
            assert chain.pop().block_id == entry.block_id
    return chain


def check_node(node: Node, datadir: Path, told: Told, replays: Replays) -> None:
    """Nothing that was told is lost, and the state is the journal's."""
    manager, store = node.manager, node.manager.store
    tip = store.tip
    assert manager.context.weight >= told.weight
    for block_id in told.blocks:
        if not manager.knows(block_id_of(block_id)):
            on_chain = store.index.height_of(block_id_of(block_id)) is not None
            assert on_chain or forgotten_by_rule(datadir, told, block_id, tip.height), block_id
    replayed = replays.of(datadir)
    assert replayed.context == manager.context
    assert replayed.state.root == store.state.root
    assert dict(replayed.state.tree) == dict(store.state)
    in_blocks = frozenset().union(*map(replays.txids, journal_blocks(datadir).values()))
    waiting = {transaction.txid.hex() for transaction, _, _ in node.mempool.pool.kept()}
    assert told.sent <= in_blocks | waiting | told.dropped
    check_store(store)


def check_after(datadir: Path, told: Told, replays: Replays) -> None:
    with open_node(datadir) as node:
        check_node(node, datadir, told, replays)


def records(index: HistoryIndex) -> dict[bytes, bytes]:
    """All that a history holds, but for how to undo it."""
    return {key: value for key, value in index._store.items(b"") if key[:1] != b"u"}


def check_history(datadir: Path) -> None:
    """The history is the one that a node without any would build."""
    with open_node(datadir) as node:
        store = node.manager.store
        genesis_id = store.index.genesis.block_id
        anew = HistoryIndex(MemoryStore(), Path("nowhere"), genesis_id)
        catch_up(store, anew, PARAMS)
        assert node.history.index.tip == anew.tip
        assert anew.tip.block_id == store.tip.block_id
        assert records(node.history.index) == records(anew)


def kill_often(nursery: Nursery, datadir: Path, kills: int, seed: int) -> None:
    """So many kills, and more until some have met a write and a change of chain."""
    datadir.mkdir()
    chooser, replays, told = random.Random(seed), Replays(), Told()
    seen: Counter[str] = Counter()
    for kill in range(3 * kills):
        met = told.moves and seen["during branch"] and seen[MID_WRITE]
        if kill >= kills and met and len(told.blocks) > UNDO_DEPTH:
            break
        # Longer lives where the first ones were too short to meet it all: the machine is busy.
        after = chooser.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S) * (1 + kill // kills)
        life = nursery.live(told, datadir, seed + kill, "random", kill_after=after)
        assert life.code == KILLED
        traces = half_done(datadir)
        seen[MID_WRITE] += bool(traces)
        seen[f"during {life.step or 'opening'}"] += 1
        seen.update(traces)
        # Nobody reads it; the next kill shall not be credited with it.
        new_journal(datadir).unlink(missing_ok=True)
        check_after(datadir, told, replays)
    print(
        f"{kill} kills: {len(told.blocks)} blocks told, {told.moves} changes of chain, "
        f"{len(told.sent)} transactions sent, {len(told.dropped)} dropped; {dict(seen)}"
    )
    assert seen[MID_WRITE] > 0
    assert seen["during branch"] > 0
    assert told.moves > 0
    assert len(told.blocks) > UNDO_DEPTH
    # Once more with nothing remembered, by the code behind `esperd verify-chain`.
    *_, last = verified_blocks(PARAMS, BlockFiles(datadir), VERIFIER, now_ms=now_ms())
    with open_node(datadir) as node:
        assert last.chain.state.root == node.manager.store.state.root
    check_history(datadir)


def test_twenty_kills(nursery: Nursery, tmp_path: Path) -> None:
    kill_often(nursery, tmp_path / "node", 20, seed=20)


@pytest.mark.soak
def test_two_hundred_kills(nursery: Nursery, tmp_path: Path) -> None:
    # Everything is checked after each kill, so one long chain would cost the square of its length.
    for part in range(10):
        kill_often(nursery, tmp_path / str(part), 20, seed=1000 * part)


WRITES_OF_A_CHANGE = 11
"""To segments, when three blocks leave and four join: an entry down, proof and entry up."""
SYNCS_OF_A_CHANGE = 23
"""Those, and of a side block's file and folder when six blocks are put beside the chain.

Seven if the branch takes over with its last block; the lot may let it do so with the one before.
"""


def struck(
    nursery: Nursery, datadir: Path, mode: str, number: int, replays: Replays
) -> tuple[Life, set[str]]:
    """A rehearsed life with a fault in its change of chain, checked, and then a sound one."""
    told = Told()
    life = nursery.live(told, datadir, 1, "rehearsed", mode, number)
    assert life.step == "branch"
    traces = half_done(datadir)
    check_after(datadir, told, replays)
    again = nursery.live(told, datadir, 2, "rehearsed")
    assert (again.code, again.step) == (0, "nothing")
    assert told.moves > 0
    check_after(datadir, told, replays)
    check_history(datadir)
    return life, traces


def strike(nursery: Nursery, folder: Path, mode: str, numbers: range) -> Counter[str]:
    """The fault at each of these moments; what was found afterwards."""
    seen: Counter[str] = Counter()
    replays = Replays()
    for number in numbers:
        life, traces = struck(nursery, folder / f"{mode}{number}", mode, number, replays)
        if mode in ("torn", "sync"):
            assert life.code == KILLED
        else:
            assert life.code == 0
            assert life.refused is not None
            assert "No space left on device" in life.refused
        seen.update(traces or {"nothing half done"})
    print(mode, dict(seen))
    return seen


@pytest.mark.parametrize("mode", ["torn", "full"])
def test_a_segment_write_that_fails_in_the_middle_of_a_change_of_chain(
    nursery: Nursery, tmp_path: Path, mode: str
) -> None:
    seen = strike(nursery, tmp_path, mode, range(1, WRITES_OF_A_CHANGE + 1, 3))
    assert (seen["nothing half done"] == 0) == (mode == "torn")


@pytest.mark.parametrize("mode", ["sync", "nospace"])
def test_a_sync_that_fails_in_the_middle_of_a_change_of_chain(
    nursery: Nursery, tmp_path: Path, mode: str
) -> None:
    seen = strike(nursery, tmp_path, mode, range(1, SYNCS_OF_A_CHANGE + 1, 6))
    # Who lives on takes it away.
    assert (seen[f"unfinished file in {SIDE_FOLDER}"] > 0) == (mode == "sync")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("mode", "moments"),
    [
        ("torn", WRITES_OF_A_CHANGE),
        ("full", WRITES_OF_A_CHANGE),
        ("sync", SYNCS_OF_A_CHANGE),
        ("nospace", SYNCS_OF_A_CHANGE),
    ],
)
def test_every_moment_of_a_change_of_chain(
    nursery: Nursery, tmp_path: Path, mode: str, moments: int
) -> None:
    strike(nursery, tmp_path, mode, range(1, moments + 1))
    # The change is over soon after: the numbers above are those of nearly all its moments.
    later = nursery.live(Told(), tmp_path / "later", 1, "rehearsed", mode, moments + 3)
    assert later.step in ("mempool", "mine")
