"""Appending to segments when the disk refuses, and opening them after a crash."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from esper.storage.errors import StoreStoppedError, WriteFailedError
from esper.storage.segments.segment_reader import MAGIC, Locator, SegmentError, SegmentReader
from esper.storage.segments.segment_writer import SegmentWriter
from tests.support.storage.full_disk import FullDisk


def records(folder: Path) -> list[bytes]:
    return [payload for _, payload in SegmentReader(folder)]


def test_a_system_that_writes_a_few_bytes_at_a_time(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, opener=FullDisk(1 << 20, at_once=7))
    writer.append(b"a" * 100)
    writer.append(b"b" * 100)
    assert records(tmp_path) == [b"a" * 100, b"b" * 100]


@pytest.mark.parametrize("room", [0, 1, 30, 150])
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, room: int) -> None:
    disk = FullDisk(1 << 20)
    writer = SegmentWriter(tmp_path, opener=disk)
    writer.append(b"first")
    before = (tmp_path / "000000.seg").read_bytes()
    disk.room = room
    with pytest.raises(WriteFailedError, match="No space left on device; nothing acknowledged"):
        writer.append(b"x" * 200)
    assert (tmp_path / "000000.seg").read_bytes() == before
    disk.room = 1 << 20
    writer.append(b"second")
    assert records(tmp_path) == [b"first", b"second"]


@pytest.mark.parametrize("room", [0, 3, 20])
def test_a_full_disk_leaves_no_new_file(tmp_path: Path, room: int) -> None:
    disk = FullDisk(1 << 20)
    writer = SegmentWriter(tmp_path, segment_bytes=10, opener=disk)
    writer.append(b"first")
    disk.room = room
    with pytest.raises(WriteFailedError):
        writer.append(b"second")
    assert list(SegmentReader(tmp_path).files()) == [0]
    disk.room = 1 << 20
    assert writer.append(b"second") == Locator(1, len(MAGIC))


def test_nothing_follows_a_part_that_cannot_be_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(1 << 20)
    writer = SegmentWriter(tmp_path, opener=disk)
    writer.append(b"first")
    disk.room = 5

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("esper.storage.segments.segment_writer._truncate", refuse)
    with pytest.raises(WriteFailedError):
        writer.append(b"second")
    disk.room = 1 << 20
    with pytest.raises(StoreStoppedError, match="close the store and open it again"):
        writer.append(b"third")


def test_an_interrupt_within_a_write_stops_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SegmentWriter(tmp_path)
    end = writer.end

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("esper.storage.segments.segment_writer.os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append(b"first")
    with pytest.raises(StoreStoppedError):
        writer.append(b"second")
    # Whether the first is on disk nobody knows, so it was not acknowledged.
    assert SegmentWriter(tmp_path, acknowledged=end).append(b"third")
    assert records(tmp_path)[-1] == b"third"


def test_an_unsynced_record_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SegmentWriter(tmp_path)
    writer.append(b"first")

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("esper.storage.segments.segment_writer.os.fsync", refuse)
        with pytest.raises(WriteFailedError, match="Input/output error"):
            writer.append(b"second")
    assert records(tmp_path) == [b"first"]


def test_record_and_new_name_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    writer = SegmentWriter(tmp_path)
    monkeypatch.setattr("esper.storage.segments.segment_writer.os.fsync", noted)
    writer.append(b"first")
    assert synced == [tmp_path / "000000.seg", tmp_path]
    writer.append(b"second")
    assert synced[2:] == [tmp_path / "000000.seg"]


def test_behind_the_acknowledged_end_damage_is_cut_off(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, segment_bytes=200)
    places = [writer.append(bytes([number]) * 100) for number in range(6)]
    assert [place.file for place in places] == [0, 0, 1, 1, 2, 2]
    damaged = tmp_path / "000001.seg"
    data = bytearray(damaged.read_bytes())
    data[places[3].offset + 50] ^= 1
    damaged.write_bytes(data)
    again = SegmentWriter(tmp_path, acknowledged=places[2])
    # Sound records behind the acknowledged end stay.
    assert again.end == places[3]
    assert records(tmp_path) == [bytes([number]) * 100 for number in range(3)]
    assert list(SegmentReader(tmp_path).files()) == [0, 1]
    assert again.append(b"next") == places[3]


def test_a_cut_before_the_acknowledged_end_is_an_error(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path)
    place = writer.append(b"first")
    end = writer.end
    path = tmp_path / "000000.seg"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(SegmentError, match=f"up to byte {end.offset} were acknowledged") as raised:
        SegmentWriter(tmp_path, acknowledged=end)
    assert raised.value.path == path
    assert path.read_bytes() == whole[:-1]
    path.unlink()
    with pytest.raises(SegmentError, match="is missing, though records in it"):
        SegmentWriter(tmp_path, acknowledged=end)
    path.write_bytes(whole)
    assert SegmentWriter(tmp_path, acknowledged=place).end == end


def test_a_file_missing_between_others_is_named(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, segment_bytes=10)
    for _ in range(3):
        writer.append(b"record")
    (tmp_path / "000001.seg").unlink()
    with pytest.raises(SegmentError, match=r"000001\.seg at byte 0: is missing; restore it"):
        records(tmp_path)


def test_scanning_goes_on_behind_damage(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, segment_bytes=200)
    places = [writer.append(bytes([number]) * 100) for number in range(6)]
    path = tmp_path / "000000.seg"
    sound = path.read_bytes()

    def scanned(position: int) -> list[bool]:
        data = bytearray(sound)
        data[position] ^= 1
        path.write_bytes(data)
        return [found.payload is not None for found in SegmentReader(tmp_path).scan()]

    # A payload, a head, the file's own head.
    assert scanned(places[0].offset + 50) == [False, True, True, True, True, True]
    assert scanned(places[0].offset) == [False, True, True, True, True]
    assert scanned(0) == [False, True, True, True, True]


def test_files_of_other_names_are_left_alone(tmp_path: Path) -> None:
    SegmentWriter(tmp_path).append(b"record")
    (tmp_path / "copy.seg").write_bytes(b"")
    assert list(SegmentReader(tmp_path).files()) == [0]
