"""Damaged proofs through the commands: named, mended from elsewhere, or done without."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.genesis import genesis_hash
from esper.crypto.demo_key import demo_key
from esper.mempool.journal import MempoolJournal
from esper.node import running_node
from esper.node.chain.opening import store_options
from esper.node.chain.store_state import genesis_of, replay_of
from esper.node.datadir import DataDirectory
from esper.node.running_node import JOURNAL_FILE
from esper.primitives import networks
from esper.primitives.networks import DEMO_ADDRESS
from esper.storage.chain_store import ChainStore
from esper.storage.segments.block_files import PROOF_FOLDER, BlockFiles
from esper.storage.segments.segment_reader import Locator, SegmentReader
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from tests.support.fake_work import fake_network
from tests.support.node.esperd_world import mine, run, said, use_fakes
from tests.support.vm_world import BOB, COIN, address, make, sign

PARAMS = fake_network()
DEPTH = 4
"""Of pruning and undoing, in the networks of most tests here."""
SHALLOW = replace(PARAMS, limits=replace(PARAMS.limits, undo_depth=DEPTH, pruning_depth=DEPTH))
BLOCKS = 8


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, SHALLOW)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datadir = tmp_path_factory.mktemp("grown") / "d"
    with pytest.MonkeyPatch.context() as patched:
        use_fakes(patched, SHALLOW)
        mine(datadir, "--prune", "no", blocks=BLOCKS)
    return datadir


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(grown, tmp_path / "d"))


def places(datadir: Path) -> list[Locator]:
    """Of the proofs, by height from 1 on."""
    return [found.place for found in SegmentReader(datadir / PROOF_FOLDER).scan()]


def damage(datadir: Path, height: int, where: int = 60) -> None:
    """Flip a bit ``where`` bytes behind the beginning of a block's proof."""
    place = places(datadir)[height - 1]
    path = SegmentReader(datadir / PROOF_FOLDER).path(place.file)
    data = bytearray(path.read_bytes())
    data[place.offset + where] ^= 1
    path.write_bytes(data)


def esperd(command: str, datadir: Path, *more: Any, status: int = 0) -> str:
    return run(command, "--datadir", datadir, *more, status=status)


def mines_on(datadir: Path, height: int) -> None:
    told = said(mine(datadir, "--prune", "no", blocks=1))
    assert any(line.startswith(f"regtest at height {height}") for line in told)
    assert told[-1].startswith(f"stopped at height {height + 1}")
    assert f"{height + 1} blocks valid" in esperd("verify-chain", datadir)


def test_a_start_names_the_heights_and_the_file(datadir: Path) -> None:
    damage(datadir, BLOCKS)
    damage(datadir, BLOCKS - 2)
    told = mine(datadir, blocks=1)
    file = datadir / "proofs" / "000000.seg"
    for height in (BLOCKS - 2, BLOCKS):
        assert f"WARNING: the proof of block {height} is damaged: {file} at byte" in told
    assert f"proofs of blocks {BLOCKS - 2}, {BLOCKS} are damaged" in told
    assert "esperd repair" in told
    # Every start says so again.
    assert "esperd repair" in mine(datadir, blocks=1)


def test_a_sound_chain_is_not_warned_of(datadir: Path) -> None:
    assert "WARNING" not in mine(datadir, blocks=1)
    assert esperd("repair", datadir) == "nothing is damaged\n"


@pytest.mark.parametrize("where", [3, 60])
def test_below_the_pruning_depth_a_block_does_without(datadir: Path, where: int) -> None:
    """Damage of the head and of the bytes of a record."""
    damage(datadir, 2, where)
    told = esperd("verify-chain", datadir) if where == 60 else ""
    assert "block 2" in told or where == 3
    told = esperd("repair", datadir)
    assert "kept without proof, below the pruning depth: block 2\n" in told
    assert "damage written over in the proof files: 1" in told
    checked = esperd("verify-chain", datadir)
    assert "valid but for its proof (not kept), payee" in checked
    assert f"{BLOCKS} blocks valid, 1 of them without a proof to check" in checked
    assert esperd("repair", datadir) == "nothing is damaged\n"
    assert f"index rebuilt up to height {BLOCKS}, 1 blocks" in esperd("reindex", datadir)
    mines_on(datadir, BLOCKS)


def test_a_newer_block_needs_its_proof(datadir: Path) -> None:
    damage(datadir, 6)
    assert "the proof of block 6 is damaged" in esperd("verify-chain", datadir, status=1)
    for _ in range(2):
        told = esperd("repair", datadir, status=1)
        assert "still without a proof: block 6." in told
        assert "esperd repair --from DATADIR" in told
    # Nothing was thrown away that a better disk may still give.
    assert "the proof of block 6 is damaged" in esperd("verify-chain", datadir, status=1)


def test_another_data_directory_has_it(grown: Path, datadir: Path) -> None:
    damage(datadir, 6)
    damage(datadir, 2)
    told = esperd("repair", datadir, "--from", grown)
    assert "put in place: the proofs of blocks 2, 6" in told
    assert f"{BLOCKS} blocks valid in" in esperd("verify-chain", datadir)
    assert "index rebuilt" in esperd("reindex", datadir)
    mines_on(datadir, BLOCKS)


def test_one_proof_by_hand(grown: Path, datadir: Path, tmp_path: Path) -> None:
    proofs = [block.proof for block in BlockFiles(grown)]
    file = tmp_path / "proof"
    damage(datadir, 6)
    file.write_bytes(proofs[4])
    told = esperd("repair", datadir, "--proof", file, "--height", 6, status=1)
    assert f"{file} is not the proof of block 6; nothing was changed" in told
    file.write_bytes(proofs[5])
    assert "lacks no proof" in esperd("repair", datadir, "--proof", file, "--height", 5, status=1)
    assert "put in place" in esperd("repair", datadir, "--proof", file, "--height", 6)
    assert f"{BLOCKS} blocks valid in" in esperd("verify-chain", datadir)
    assert "go together" in esperd("repair", datadir, "--proof", file, status=2)
    assert "cannot be read" in esperd(
        "repair", datadir, "--proof", tmp_path / "none", "--height", 6, status=1
    )


def test_the_chain_ends_before_it_where_the_loss_is_accepted(datadir: Path) -> None:
    damage(datadir, 6)
    told = esperd("repair", datadir, "--accept-loss")
    assert "the chain ends at height 5 now; 0 transactions" in told
    assert "5 blocks valid in" in esperd("verify-chain", datadir)
    mines_on(datadir, 5)


def test_deeper_than_blocks_can_be_undone_the_index_is_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = replace(SHALLOW, limits=replace(SHALLOW.limits, pruning_depth=100))
    monkeypatch.setattr(networks, "NETWORKS", {deep.name: deep})
    datadir = tmp_path / "d"
    mine(datadir, blocks=BLOCKS)
    damage(datadir, 2)
    damage(datadir, 7)
    assert "blocks 2, 7." in esperd("repair", datadir, status=1)
    assert "the chain ends at height 1 now" in esperd("repair", datadir, "--accept-loss")
    assert "1 blocks valid in" in esperd("verify-chain", datadir)
    mines_on(datadir, 1)


def test_reindex_says_that_damage_remains_and_how_it_ends(datadir: Path) -> None:
    damage(datadir, 6)
    told = esperd("reindex", datadir, status=1)
    assert "damaged proof: " in told
    assert "still without a proof: block 6." in told
    assert f"index rebuilt up to height {BLOCKS}" in told
    # Lost by the index now, and still told at a start.
    assert f"the proof of block 6 is damaged: it is not in {datadir / 'proofs'}" in mine(
        datadir, blocks=1
    )
    told = esperd("reindex", datadir, "--accept-loss")
    assert "the chain ends at height 5 now" in told
    assert "index rebuilt up to height 5" in told
    assert "5 blocks valid in" in esperd("verify-chain", datadir)
    mines_on(datadir, 5)


def test_old_damage_is_no_loss_to_a_reindex_and_is_written_over_by_repair(datadir: Path) -> None:
    damage(datadir, 2)
    assert "`esperd repair` mends" in esperd("reindex", datadir, status=1)
    assert "the proof of block 2 is damaged" in mine(datadir, "--prune", "no", blocks=1)
    assert "written over in the proof files: 1" in esperd("repair", datadir)
    esperd("reindex", datadir)
    mines_on(datadir, BLOCKS + 1)


def test_a_proof_file_that_is_gone(grown: Path, datadir: Path) -> None:
    shutil.rmtree(datadir / "proofs")
    told = esperd("repair", datadir, "--from", grown)
    # Those below the pruning depth may come back as well.
    assert f"put in place: the proofs of blocks 1, 2, 3, 4, 5, 6, 7, {BLOCKS}" in told
    assert f"{BLOCKS} blocks valid in" in esperd("verify-chain", datadir)
    mines_on(datadir, BLOCKS)


def test_a_proof_file_that_was_cut(datadir: Path) -> None:
    path = datadir / "proofs" / "000000.seg"
    path.write_bytes(path.read_bytes()[:-10])
    told = esperd("repair", datadir, "--accept-loss")
    assert f"the chain ends at height {BLOCKS - 1} now" in told
    mines_on(datadir, BLOCKS - 1)


def test_a_damaged_beginning_of_a_file_is_mended_without_loss(datadir: Path) -> None:
    path = datadir / "proofs" / "000000.seg"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    assert "written over in the proof files: 1" in esperd("repair", datadir)
    assert f"{BLOCKS} blocks valid in" in esperd("verify-chain", datadir)


def test_everything_as_an_object(datadir: Path) -> None:
    damage(datadir, 2)
    damage(datadir, 6)
    found = json.loads(esperd("repair", datadir, "--json", status=1))
    assert [one["height"] for one in found["damaged"]] == [2, 6]
    assert [one["is_needed"] for one in found["damaged"]] == [False, True]
    assert (found["given_up"], found["remaining"], found["ended_at"]) == ([2], [6], None)
    found = json.loads(esperd("reindex", datadir, "--accept-loss", "--json"))
    assert (found["height"], found["damage_remains"]) == (5, False)
    assert found["repair"]["ended_at"] == 5
    found = json.loads(esperd("verify-chain", datadir, "--json"))
    assert (found["height"], found["without_proof"]) == (5, 1)


def test_a_folder_without_proofs_is_no_source(datadir: Path, tmp_path: Path) -> None:
    assert "has no proof files" in esperd("repair", datadir, "--from", tmp_path, status=1)


def test_a_pruned_chain_is_verified_as_far_as_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(store_options(SHALLOW), reserve_bytes=0, segment_bytes=100)
    datadir = tmp_path / "d"
    mine(datadir, "--prune", "no", blocks=1)
    shutil.rmtree(datadir)
    DataDirectory.open_or_create(datadir, SHALLOW)
    monkeypatch.setattr(running_node, "store_options", lambda *_: options)
    mine(datadir, "--prune", "no", blocks=BLOCKS)
    with ChainStore(datadir, genesis_of(SHALLOW), replay_of(SHALLOW), options) as store:
        assert store.prune_proofs(3) == 2
        # A shorter chain makes nothing of it damage.
        for _ in range(3):
            store.rewind()
    told = esperd("verify-chain", datadir)
    assert "5 blocks valid, 2 of them without a proof to check" in told
    assert esperd("repair", datadir) == "nothing is damaged\n"
    assert "WARNING" not in mine(datadir, "--prune", "no", blocks=1)
    # The first kept one is another matter.
    damage(datadir, 1)
    assert "the proof of block 3 is damaged" in esperd("verify-chain", datadir, status=1)


def test_transactions_of_blocks_that_go_wait_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come into a block once the chain goes on."""
    rich = fake_network(
        replace(
            SHALLOW,
            reward=replace(SHALLOW.reward, genesis_allocation=((DEMO_ADDRESS, 1000 * COIN),)),
        )
    )
    monkeypatch.setattr(networks, "NETWORKS", {rich.name: rich})
    datadir, key = tmp_path / "d", demo_key()
    mine(datadir, blocks=1)
    sent = sign(key, make(key, Transfer((Output(address(BOB), COIN),)), 0), genesis_hash(rich))
    journal = MempoolJournal(datadir / JOURNAL_FILE, rich.limits.transaction_bytes)
    journal.append(sent.to_bytes(), 0, 0)
    journal.close()
    assert f"  transfer {sent.txid.hex()[:16]}" in mine(datadir, blocks=1)
    damage(datadir, 2)
    told = esperd("repair", datadir, "--accept-loss")
    assert "the chain ends at height 1 now; 1 transactions" in told
    told = mine(datadir, blocks=1)
    assert "1 transactions wait from before" in told
    assert f"  transfer {sent.txid.hex()[:16]}" in told
    assert "2 blocks valid in" in esperd("verify-chain", datadir)
