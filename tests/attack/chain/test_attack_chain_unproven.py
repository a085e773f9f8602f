"""A data directory from a stranger whose blocks nobody worked for: the proofs are said to be lost.

Without the proof a ticket is hashes over made-up answers, so such blocks cost next to nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from esper.storage.segments.block_files import (
    PROOF_FOLDER,
    BlockFiles,
    StoredProof,
    proof_payload,
)
from esper.storage.segments.segment_reader import MAGIC, SegmentReader
from esper.storage.segments.segment_writer import SegmentWriter
from tests.support.fake_work import fake_network
from tests.support.node.esperd_world import mine, run, use_fakes

DEPTH = 2
SHALLOW = replace(
    fake_network(),
    limits=replace(fake_network().limits, undo_depth=DEPTH, pruning_depth=DEPTH),
)
BLOCKS = 3


@pytest.fixture
def datadir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_fakes(monkeypatch, SHALLOW)
    mine(tmp_path / "d", "--prune", "no", blocks=BLOCKS)
    return tmp_path / "d"


def given_up(datadir: Path) -> None:
    """Every proof is said to have been given up by a repair."""
    ids = [one for one, _ in BlockFiles(datadir)._chain().blocks]
    shutil.rmtree(datadir / PROOF_FOLDER)
    writer = SegmentWriter(datadir / PROOF_FOLDER)
    for block_id in ids:
        writer.append(proof_payload(StoredProof(block_id, b"")))


def pruned(datadir: Path) -> None:
    """Every proof is said to have been in files that were pruned."""
    reader = SegmentReader(datadir / PROOF_FOLDER)
    reader.path(0).unlink()
    reader.path(7).write_bytes(MAGIC)


@pytest.mark.parametrize("strip", [given_up, pruned])
def test_blocks_that_nothing_shows_work_for_are_told_of(
    datadir: Path, strip: Callable[[Path], None]
) -> None:
    assert "warning" not in run("verify-chain", "--datadir", datadir)
    strip(datadir)
    told = run("verify-chain", "--datadir", datadir)
    assert f"{DEPTH} of the newest {DEPTH} blocks have no proof here" in told
    assert "nothing shows that anybody worked for them" in told
    found = json.loads(run("verify-chain", "--datadir", datadir, "--json"))
    assert (found["without_proof"], found["lacking_proof"]) == (BLOCKS, DEPTH)
