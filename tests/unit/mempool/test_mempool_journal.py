"""The journal keeps what was admitted, whatever end the process or the disk comes to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

from esper.mempool.journal import (
    HEAD_BYTES,
    MAGIC,
    JournalError,
    Kept,
    MempoolJournal,
    Opener,
    open_unbuffered,
)
from esper.mempool.policy import MempoolPolicy
from tests.support.mempool_world import PoolWorld, fee_order, pay
from tests.support.vm_world import ALICE, BOB, CAROL

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LIMIT = 100
RECORDS = [Kept(bytes([number]) * (10 + number), number, 1000 * number) for number in range(5)]


_OPENED: list[MempoolJournal] = []


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    while _OPENED:
        _OPENED.pop().close()


def journal(folder: Path, opener: Opener = open_unbuffered, limit: int = LIMIT) -> MempoolJournal:
    """Closed at the end of the test: until then it is like one of a process that was killed."""
    _OPENED.append(MempoolJournal(folder / "mempool.journal", limit, opener))
    return _OPENED[-1]


def filled(folder: Path) -> Path:
    kept = journal(folder)
    for record in RECORDS:
        kept.append(*record)
    return folder / "mempool.journal"


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list(journal(tmp_path).load()) == []


def test_what_was_appended_is_loaded_and_continued(tmp_path: Path) -> None:
    filled(tmp_path)
    again = journal(tmp_path)
    assert list(again.load()) == RECORDS
    again.append(b"more", 7, 8)
    assert list(journal(tmp_path).load()) == [*RECORDS, Kept(b"more", 7, 8)]
    assert again.size == (tmp_path / "mempool.journal").stat().st_size


def test_every_cut_keeps_the_records_before_it(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    ends = [len(MAGIC)]
    for record in RECORDS:
        ends.append(ends[-1] + HEAD_BYTES + len(record.data))
    for size in range(len(data)):
        path.write_bytes(data[:size])
        whole = max(sum(end <= size for end in ends) - 1, 0)
        cut = journal(tmp_path)
        assert list(cut.load()) == RECORDS[:whole]
        cut.append(b"next", 1, 2)
        cut.close()
        assert list(journal(tmp_path).load()) == [*RECORDS[:whole], Kept(b"next", 1, 2)]


def test_every_damaged_byte_keeps_the_records_before_it(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x80]) + data[place + 1 :])
        found = list(journal(tmp_path).load())
        assert found == RECORDS[: len(found)]
        assert len(found) < len(RECORDS)


def test_a_length_above_the_limit_reads_nothing(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    path = filled(tmp_path)
    path.write_bytes(MAGIC + b"\xff" * 64)
    opened = MempoolJournal(path, LIMIT, lambda file, mode: Counting(file, mode))
    assert list(opened.load()) == []
    assert max(asked) <= HEAD_BYTES


def test_a_transaction_above_the_limit_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 100"):
        journal(tmp_path).append(bytes(LIMIT + 1), 0, 0)
    journal(tmp_path).append(bytes(LIMIT), 0, 0)


def test_a_foreign_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "mempool.journal").write_bytes(b"something else altogether")
    kept = journal(tmp_path)
    assert list(kept.load()) == []
    kept.append(*RECORDS[0])
    assert list(journal(tmp_path).load()) == RECORDS[:1]


class FullDisk:
    """Takes part of a write, then refuses; truncating works."""

    def __init__(self) -> None:
        self.room = 1 << 20

    def __call__(self, path: Path, mode: str) -> BinaryIO:
        disk = self

        class Stream(io.FileIO):
            def write(self, data: ReadableBuffer, /) -> int:
                piece = bytes(data)[: disk.room]
                if not piece:
                    raise OSError(28, "No space left on device")
                disk.room -= len(piece)
                return super().write(piece)

        return Stream(path, mode)


def test_a_full_disk_costs_the_record_that_did_not_fit_alone(tmp_path: Path) -> None:
    disk = FullDisk()
    kept = journal(tmp_path, disk)
    kept.append(*RECORDS[0])
    disk.room = 5
    with pytest.raises(JournalError, match="make room"):
        kept.append(*RECORDS[1])
    disk.room = 1 << 20
    kept.append(*RECORDS[2])
    assert list(journal(tmp_path).load()) == [RECORDS[0], RECORDS[2]]


def test_rewriting_keeps_what_it_is_given_or_the_old(tmp_path: Path) -> None:
    filled(tmp_path)
    disk = FullDisk()
    kept = journal(tmp_path, disk)
    disk.room = 40
    with pytest.raises(JournalError):
        kept.rewrite(RECORDS[1:])
    assert list(journal(tmp_path).load()) == RECORDS
    disk.room = 1 << 20
    kept.rewrite(RECORDS[3:])
    kept.append(*RECORDS[0])
    assert list(journal(tmp_path).load()) == [*RECORDS[3:], RECORDS[0]]
    assert kept.size == (tmp_path / "mempool.journal").stat().st_size


def test_it_is_rewritten_when_most_of_it_is_gone(tmp_path: Path) -> None:
    kept = journal(tmp_path, limit=1 << 16)
    record = bytes(60_000)
    for number in range(18):
        assert not kept.is_worth_rewriting(0)
        kept.append(record, number, 0)
    assert kept.is_worth_rewriting(0)
    assert not kept.is_worth_rewriting(kept.size // 2)


def test_appending_goes_to_the_file_itself(tmp_path: Path) -> None:
    # Nothing waits in a buffer of the process.
    with open_unbuffered(tmp_path / "file", "wb") as stream:
        stream.write(b"now")
        assert (tmp_path / "file").read_bytes() == b"now"


def test_a_mempool_comes_back_whatever_the_order(tmp_path: Path) -> None:
    world = PoolWorld()
    sent = [world.send(ALICE, pay(BOB), nonce) for nonce in range(10)]
    # The first of the line came last.
    sent[0] = world.send(ALICE, pay(BOB), 0, fee=200_000)
    other = PoolWorld()
    left_out = other.pool.restore(
        list(world.pool.kept()), other.world.state, other.chain, now_ms=other.now_ms + 5
    )
    assert left_out == {}
    assert fee_order(other.pool) == sent
    assert list(other.pool.kept()) == sorted(world.pool.kept(), key=lambda one: one[0].nonce)


def test_what_is_no_longer_valid_does_not_come_back() -> None:
    world = PoolWorld()
    for nonce in range(3):
        world.send(ALICE, pay(BOB), nonce)
    kept = list(world.pool.kept())
    other = PoolWorld()
    other.world.block(kept[0][0])
    left_out = other.pool.restore(kept, other.world.state, other.chain, now_ms=0)
    assert left_out == {kept[0][0].txid: "NonceUsedViolation"}
    assert fee_order(other.pool) == [one for one, _, _ in kept[1:]]


def test_what_gives_way_while_it_comes_back_is_told() -> None:
    world = PoolWorld()
    poor = world.signed(ALICE, pay(BOB), 0, fee=30_000)
    rich = world.signed(ALICE, pay(BOB), 0, fee=60_000)
    for first, second, refusal in (
        (poor, rich, "Replaced"),
        (rich, poor, "ReplacementFeeError"),
    ):
        other = PoolWorld()
        kept = [(first, 0, 1), (second, 0, 2)]
        left_out = other.pool.restore(kept, other.world.state, other.chain, now_ms=3)
        assert left_out == {poor.txid: refusal}
        assert fee_order(other.pool) == [rich]


def test_what_has_no_room_any_more_is_told() -> None:
    sent = [
        PoolWorld().signed(key, pay(CAROL), 0, fee=fee)
        for key, fee in ((ALICE, 30_000), (BOB, 60_000))
    ]
    room = 1024 + len(sent[0].to_bytes()) + 10
    small = PoolWorld(MempoolPolicy(fee_bytes=room))
    kept = [(one, 0, when) for when, one in enumerate(sent)]
    left_out = small.pool.restore(kept, small.world.state, small.chain, now_ms=3)
    assert left_out == {sent[0].txid: "MempoolFullError"}
    assert fee_order(small.pool) == [sent[1]]
