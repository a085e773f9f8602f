"""Killed at any moment, the store has every step that it acknowledged, and no half of another."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from esper.storage.chain_store import ChainStore
from esper.storage.segments.block_files import BLOCK_FOLDER, PROOF_FOLDER
from tests.support.crash.fake_chain import GENESIS, opened, replayed_from_files
from tests.support.storage.store_check import check_store

pytestmark = pytest.mark.serial

CHILD = Path(__file__).parents[1] / "support" / "crash" / "writer_child.py"
LONGEST_LIFE_S = 0.25
HANGS_AFTER_S = 60


@dataclass
class Life:
    """What a child told before it ended."""

    acknowledged: tuple[int, str]
    """Height and block id of the last tip it told."""
    interrupted: str | None
    """The step it had begun and not told to be done."""
    refused: str | None
    """The error of a refused write."""
    code: int
    """Its exit status; -9 if it was killed."""
    blocks: int = 1
    """How many blocks that step was to append."""


def live(datadir: Path, seed: int, *mode: str, kill_after: float | None = None) -> Life:
    """Run a child; kill it so many seconds after it is ready."""
    environment = {**os.environ, "ESPER_STALE_NATIVE": "allow"}
    command = [sys.executable, str(CHILD), str(datadir), str(seed), *mode]
    life = Life((0, GENESIS.block_id.hex()), None, None, 0)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        killer = threading.Timer(HANGS_AFTER_S, child.kill)
        for line in child.stdout:
            if not line.endswith("\n"):
                # Killed while it told: it has not told.
                break
            word, *rest = line.split()
            if word == "begin":
                life.interrupted, life.blocks = rest[0], int(rest[1]) if rest[1:] else 1
            elif word == "refused":
                life.refused = line
            else:
                life.acknowledged, life.interrupted = (int(rest[0]), rest[1]), None
            if word == "ready":
                if kill_after is not None:
                    killer = threading.Timer(kill_after, child.kill)
                killer.start()
        killer.cancel()
    life.code = child.returncode
    return life


def id_at(store: ChainStore, height: int) -> str:
    return (store.index.entry(height).block_id if height else GENESIS.block_id).hex()


def check_nothing_lost(store: ChainStore, life: Life) -> bool:
    """Compare the tip with what was acknowledged; whether the interrupted step is there too."""
    height, block_id = life.acknowledged
    tip = store.tip
    if (tip.height, tip.block_id.hex()) == (height, block_id):
        return False
    assert life.interrupted is not None, f"tip {tip.height}, acknowledged {height}"
    if life.interrupted in ("append", "group"):
        # Of a group any beginning may have come through.
        assert height < tip.height <= height + life.blocks
        assert id_at(store, height) == block_id
    else:
        assert tip.height == height - 1
    return True


def file_bytes(datadir: Path) -> int:
    folders = (datadir / BLOCK_FOLDER, datadir / PROOF_FOLDER)
    return sum(file.stat().st_size for folder in folders for file in folder.glob("*.seg"))


def kill_often(datadir: Path, kills: int, check_every: int, *mode: str) -> None:
    chooser = random.Random(kills)
    mid_step = carried_over = cut = steps = 0
    for kill in range(kills):
        life = live(datadir, kill, *mode, kill_after=chooser.random() * LONGEST_LIFE_S)
        assert life.code == -9
        before = file_bytes(datadir)
        with opened(datadir) as store:
            cut += file_bytes(datadir) < before
            carried_over += check_nothing_lost(store, life)
            mid_step += life.interrupted is not None
            steps += store.tip.height
            if kill % check_every == check_every - 1:
                check_store(store)
                assert replayed_from_files(datadir) == (store.tip.height, store.state.root)
    print(f"{kills} kills: {mid_step} within a step, {carried_over} carried over, {cut} cut")
    # A step is nearly all of a child's time; far fewer would mean that the test tests nothing.
    assert mid_step >= kills // 2
    assert steps > 0


def test_twenty_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 20, check_every=1)


def test_twenty_kills_of_a_writer_of_groups(tmp_path: Path) -> None:
    kill_often(tmp_path, 20, 1, "groups", "0")


@pytest.mark.parametrize("write", [1, 2, 3, 4, 9, 12])
def test_killed_in_the_middle_of_a_group(tmp_path: Path, write: int) -> None:
    life = live(tmp_path, 11, "torn", str(write))
    assert life.code == -9
    assert life.interrupted is not None
    before = file_bytes(tmp_path)
    with opened(tmp_path) as store:
        assert file_bytes(tmp_path) < before
        check_nothing_lost(store, life)
        check_store(store)
        assert replayed_from_files(tmp_path) == (store.tip.height, store.state.root)
    again = live(tmp_path, 12, "torn", "6")
    with opened(tmp_path) as store:
        check_nothing_lost(store, again)
        check_store(store)


@pytest.mark.soak
def test_two_hundred_kills(tmp_path: Path) -> None:
    kill_often(tmp_path, 200, check_every=10)


@pytest.mark.parametrize("write", [1, 2, 3, 4, 9, 16, 31])
def test_killed_in_the_middle_of_a_write(tmp_path: Path, write: int) -> None:
    life = live(tmp_path, 7, "partial", str(write))
    assert life.code == -9
    assert life.interrupted is not None
    before = file_bytes(tmp_path)
    with opened(tmp_path) as store:
        assert file_bytes(tmp_path) < before
        assert not check_nothing_lost(store, life)
        check_store(store)
        assert replayed_from_files(tmp_path) == (store.tip.height, store.state.root)
    again = live(tmp_path, 8, "partial", "6")
    with opened(tmp_path) as store:
        check_nothing_lost(store, again)
        check_store(store)


@pytest.mark.parametrize(("limit", "where"), [(20_000, ".seg"), (200_000, "index")])
def test_the_system_refuses_a_write(tmp_path: Path, limit: int, where: str) -> None:
    # Below the size of a record a segment is refused; no segment gets as long as the other limit.
    life = live(tmp_path, 9, "limit", str(limit))
    assert life.code == 0
    assert life.refused is not None
    assert where in life.refused
    with opened(tmp_path) as store:
        assert store.tip.height > 0 or limit == 20_000
        check_nothing_lost(store, life)
        check_store(store)
        assert replayed_from_files(tmp_path) == (store.tip.height, store.state.root)
    again = live(tmp_path, 10, kill_after=LONGEST_LIFE_S)
    with opened(tmp_path) as store:
        check_nothing_lost(store, again)


def test_a_second_process_is_told(tmp_path: Path) -> None:
    with opened(tmp_path):
        environment = {**os.environ, "ESPER_STALE_NATIVE": "allow"}
        began = time.monotonic()
        second = subprocess.run(
            [sys.executable, str(CHILD), str(tmp_path), "1"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=HANGS_AFTER_S,
            check=False,
        )
        assert time.monotonic() - began < HANGS_AFTER_S
    assert second.returncode == 1
    assert f"{tmp_path} is in use by another process; stop it" in second.stderr
