import os
from pathlib import Path

import pytest

from esper.p2p.peers import checked_file
from esper.p2p.peers.address_files import ANCHOR_LIST, BANS, KeptAnchors, kept_anchors, kept_bans
from esper.p2p.peers.checked_file import CHECKSUM_BYTES, read_file, write_file
from esper.storage import own_file
from esper.storage.system_errors import SystemRefusedError
from tests.support.net.peer_world import address

ONE = kept_anchors([address(1)])
OTHER = kept_anchors([address(2)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "anchors.dat"
    write_file(file, ANCHOR_LIST, ONE)
    return file


def aside(file: Path) -> Path:
    return file.with_name("anchors.dat.damaged")


def lost(file: Path) -> str:
    """What is told of a damaged file, which must then be aside."""
    before = file.read_bytes() if file.is_file() else None
    read = read_file(file, ANCHOR_LIST)
    assert read.value is None
    assert read.told is not None
    assert str(file) in read.told
    assert aside(file).name in read.told
    assert not os.path.lexists(file)
    assert os.path.lexists(aside(file))
    if before is not None:
        assert aside(file).read_bytes() == before
    return read.told


def test_nothing_is_no_damage(tmp_path: Path) -> None:
    read = read_file(tmp_path / "anchors.dat", ANCHOR_LIST)
    assert (read.value, read.told) == (None, None)


def test_a_file_is_replaced(file: Path) -> None:
    write_file(file, ANCHOR_LIST, OTHER)
    assert read_file(file, ANCHOR_LIST).value == OTHER
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_every_cut_and_every_flipped_bit_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        lost(file)
    for place in range(len(data)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert "checksum" in lost(file)
    file.write_bytes(data + b"\0")
    lost(file)


def test_a_sound_checksum_over_a_foreign_record_is_noticed(file: Path) -> None:
    record = b"\x92\x02\x90"
    file.write_bytes(record + checked_file._checksum(ANCHOR_LIST, record))
    assert "version" in lost(file)


def test_a_file_of_another_kind_is_noticed(file: Path) -> None:
    write_file(file, BANS, kept_bans([]))
    assert "checksum" in lost(file)


def test_a_large_file_is_not_read(file: Path) -> None:
    limit = ANCHOR_LIST.limit + CHECKSUM_BYTES
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    read = read_file(file, ANCHOR_LIST)
    assert read.told is not None
    assert f"more than {limit} bytes" in read.told
    file.write_bytes(b"\0" * limit)
    assert "checksum" in lost(file)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_what_is_no_file_is_set_aside(file: Path, kind: str) -> None:
    target = file.with_name("target")
    file.replace(target)
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to(target)
    assert "no plain file" in lost(file)
    assert read_file(target, ANCHOR_LIST).value == ONE


def test_a_link_is_replaced_and_not_followed(file: Path) -> None:
    target = file.with_name("target")
    file.replace(target)
    file.symlink_to(target)
    file.with_name("anchors.dat.new").symlink_to(target)
    write_file(file, ANCHOR_LIST, OTHER)
    assert not file.is_symlink()
    assert read_file(file, ANCHOR_LIST).value == OTHER
    assert read_file(target, ANCHOR_LIST).value == ONE


@pytest.mark.parametrize("step", ["write_all", "sync_folder"])
def test_what_the_system_refuses_is_said_and_leaves_a_whole_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(own_file, step, refuse)
    with pytest.raises(SystemRefusedError, match="free some space"):
        write_file(file, ANCHOR_LIST, OTHER)
    monkeypatch.undo()
    assert read_file(file, ANCHOR_LIST).value in (ONE, OTHER)
    write_file(file, ANCHOR_LIST, OTHER)
    assert read_file(file, ANCHOR_LIST).value == OTHER


def test_the_file_is_synced_before_it_takes_the_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_: int) -> None:
        assert read_file(file, ANCHOR_LIST).value == ONE
        synced.append(True)

    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", check)
    monkeypatch.setattr(own_file, "sync_folder", lambda _: synced.append(False))
    write_file(file, ANCHOR_LIST, OTHER)
    assert synced == [True, False]


def test_what_cannot_be_encoded_touches_nothing(file: Path) -> None:
    with pytest.raises(ValueError, match=r".+"):
        write_file(file, ANCHOR_LIST, KeptAnchors(ONE.anchors * 3))
    assert read_file(file, ANCHOR_LIST).value == ONE
