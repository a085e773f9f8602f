"""Proofs that wait for an own block outlive the node, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.node.mining.proves import files, waiting
from esper.node.mining.proves.files import FOLDER, SUFFIX, KeptProve, ProveFiles
from esper.primitives.ids import Txid
from esper.vm.transaction import Transaction
from tests.support.node.evidence_world import PARAMS, ProveWorld, accused, group_of, lie, moved, pay
from tests.support.vm_world import ALICE, CAROL, address


def kept(datadir: Path) -> list[str]:
    return sorted(path.name for path in (datadir / FOLDER).iterdir())


def name(transaction: Transaction) -> str:
    return transaction.txid.hex() + SUFFIX


def started_again(datadir: Path, **changes: Any) -> ProveWorld:
    world = ProveWorld(datadir)
    for field, value in changes.items():
        setattr(world, field, value)
    world.taken_up = world.desk.take_up()
    return world


def test_what_waits_is_there_after_a_restart_and_is_checked_anew(tmp_path: Path) -> None:
    world = ProveWorld(tmp_path)
    pairs = [accused(lie(number), nonce=number) for number in range(2)]
    other = accused(lie(5), CAROL)
    for one in (*pairs, other):
        world.take(*one)
    assert kept(tmp_path) == sorted(name(one) for one, _ in (*pairs, other))

    again = started_again(tmp_path)
    assert again.taken_up == 3
    assert again.verifier.asked == 3
    transactions, groups = again.block()
    assert sorted(one.txid for one in transactions) == sorted(
        one.txid for one, _ in (*pairs, other)
    )
    assert len(groups) == 3
    assert again.events.told == []


def test_it_is_on_disk_before_anybody_is_told(tmp_path: Path) -> None:
    world = ProveWorld(tmp_path)
    transaction, group = accused(lie())
    seen: list[list[str]] = []
    world.events.publish = lambda event: seen.append(kept(tmp_path))  # type: ignore[method-assign]
    world.take(transaction, group)
    assert seen == [[name(transaction)]]


def test_what_waits_no_more_is_gone_from_disk(tmp_path: Path) -> None:
    world = ProveWorld(tmp_path)
    old, second = accused(lie()), accused(lie(1))
    world.take(*old)
    # Another in its place.
    world.take(*second)
    assert kept(tmp_path) == [name(second[0])]
    # In a block that may leave the chain, and then in one that may not.
    moved(world, applied=[[second[0]]], height=5)
    assert kept(tmp_path) == [name(second[0])]
    moved(world, applied=[[]], height=6 + PARAMS.limits.undo_depth)
    assert kept(tmp_path) == []
    # Refused in an own block, and lapsed.
    third = accused(lie(2))
    world.take(*third)
    world.handed.refused([third[0]])
    assert kept(tmp_path) == []
    world.take(*third)
    world.block(pay(0))
    assert kept(tmp_path) == []


def test_what_makes_place_for_others_is_gone_from_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST", 1)
    world = ProveWorld(tmp_path)
    first, other = accused(lie()), accused(lie(1), CAROL)
    world.take(*first)
    assert world.refused(*other) == "NoPlaceError"
    assert kept(tmp_path) == [name(first[0])]
    moved(world, applied=[[first[0]]])
    world.take(*other)
    assert kept(tmp_path) == [name(other[0])]


def test_what_the_mempool_took_meanwhile_is_gone_from_disk(tmp_path: Path) -> None:
    world = ProveWorld(tmp_path)
    written = files.ProveFiles.write

    def write(self: ProveFiles, txid: Txid, one: KeptProve) -> None:
        written(self, txid, one)
        world.mempool.pool.add(pay(0), world.state, world.view.context, now_ms=0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProveFiles, "write", write)
        assert world.refused(*accused(lie())) == "NonceWaitsError"
    assert kept(tmp_path) == []


def test_a_start_drops_what_can_come_into_no_block(tmp_path: Path) -> None:
    world = ProveWorld(tmp_path)
    used, waits = accused(lie()), accused(lie(1), CAROL)
    world.take(*used)
    world.take(*waits)
    state = world.state
    alice = replace(state.account(address(ALICE)), nonce=1)
    carol = replace(state.account(address(CAROL)), balance=0)
    moved_on = state.with_account(address(ALICE), alice).with_account(address(CAROL), carol)
    again = started_again(tmp_path, state=moved_on)
    assert again.taken_up == 0
    # Who cannot pay now may pay later: the next start looks again.
    assert kept(tmp_path) == [name(waits[0])]
    assert started_again(tmp_path).taken_up == 1


def test_a_start_takes_no_proof_on_trust(tmp_path: Path) -> None:
    transaction, _ = accused(lie())
    (tmp_path / FOLDER).mkdir()
    junk = group_of(transaction.txid, b"junk").to_bytes()
    ProveFiles(tmp_path).write(transaction.txid, KeptProve(transaction.to_bytes(), (junk,)))
    again = started_again(tmp_path)
    assert (again.taken_up, kept(tmp_path), again.block()) == (0, [], ([], []))


def test_files_of_something_else_stop_no_start_and_stay(tmp_path: Path) -> None:
    world = ProveWorld(tmp_path)
    transaction, group = accused(lie())
    world.take(transaction, group)
    folder = tmp_path / FOLDER
    whole = (folder / name(transaction)).read_bytes()
    transfer = pay(0)
    others = {
        f"notes{SUFFIX}": whole,
        f"00{SUFFIX}": b"",
        f"{'00' * 64}{SUFFIX}": whole,
        f"{'11' * 64}{SUFFIX}": files.prove_bytes(bytes([0x11]) * 64, KeptProve(b"\xc0", ())),
        name(transfer): files.prove_bytes(
            transfer.txid, KeptProve(transfer.to_bytes(), (group.to_bytes(),))
        ),
    }
    for one, data in others.items():
        (folder / one).write_bytes(data)
    (folder / f"{'22' * 64}{SUFFIX}").symlink_to(folder / name(transaction))
    (folder / f"{'33' * 64}{SUFFIX}").mkdir()
    again = started_again(tmp_path)
    assert again.taken_up == 1
    assert len(kept(tmp_path)) == 1 + len(others) + 2


def test_no_more_files_and_bytes_are_read_than_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ProveWorld(tmp_path)
    pairs = [accused(lie(number), nonce=number) for number in range(3)]
    for one in pairs:
        world.take(*one)
    monkeypatch.setattr(files, "MOST_FILES", 2)
    assert len(list(ProveFiles(tmp_path).load())) == 2
    sizes = [path.stat().st_size for path in sorted((tmp_path / FOLDER).iterdir())]
    for room, read in ((sum(sizes[:2]), 2), (sum(sizes[:2]) - 1, 1), (min(sizes[:2]) - 1, 0)):
        monkeypatch.setattr(files, "MAX_BYTES", room)
        assert len(list(ProveFiles(tmp_path).load())) == read


def test_a_disk_that_refuses_loses_nothing_that_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FOLDER).write_bytes(b"a file in the folder's place")
    world = ProveWorld(tmp_path)
    transaction, group = accused(lie())
    with caplog.at_level("WARNING", logger="esper.mining"):
        world.take(transaction, group)
    assert "a restart would forget this proof" in caplog.text
    assert world.block() == ([transaction], [group])
    assert started_again(tmp_path).taken_up == 0


def test_a_file_that_cannot_be_deleted_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = ProveWorld(tmp_path)
    transaction, group = accused(lie())
    world.take(transaction, group)
    path = tmp_path / FOLDER / name(transaction)
    path.unlink()
    path.mkdir()
    with caplog.at_level("WARNING", logger="esper.mining"):
        world.handed.refused([transaction])
    assert "cannot be deleted" in caplog.text
    assert transaction.txid not in world.handed
