"""The stores behind the port: both behave alike, the one on disk keeps what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from esper.storage.errors import IndexCorruptError, WriteFailedError
from esper.storage.kv.leveldb import LevelDbStore
from esper.storage.kv.leveldb_diagnosis import damaged_file, masked_crc
from esper.storage.kv.store_port import KeyValueStore, Write
from tests.support.storage.memory_store import MemoryStore


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyValueStore]:
    made: KeyValueStore = (
        MemoryStore() if request.param == "memory" else LevelDbStore(tmp_path / "db", create=True)
    )
    yield made
    made.close()


def test_what_is_written_is_read(store: KeyValueStore) -> None:
    store.write([(b"a", b"1"), (b"b", b""), (b"c", b"3")])
    assert [store.get(key) for key in (b"a", b"b", b"c", b"d")] == [b"1", b"", b"3", None]
    store.write([(b"a", None), (b"c", b"4"), (b"nothing", None)])
    assert [store.get(key) for key in (b"a", b"c")] == [None, b"4"]


def test_the_last_write_to_a_key_counts(store: KeyValueStore) -> None:
    store.write([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2")])
    assert [store.get(b"a"), store.get(b"b")] == [None, b"2"]


def test_items_are_those_of_the_prefix_in_order(store: KeyValueStore) -> None:
    keys = [b"a", b"n", b"n\xff", b"n\x00", b"n\xff\xff", b"o"]
    store.write([(key, key) for key in keys])
    assert [key for key, _ in store.items(b"n")] == [b"n", b"n\x00", b"n\xff", b"n\xff\xff"]
    assert dict(store.items(b"")) == {key: key for key in keys}


def test_items_down_go_from_below_a_key_to_the_prefix(store: KeyValueStore) -> None:
    keys = [b"a", b"n", b"n\x00", b"n\x01", b"n\x01\xff", b"n\x02", b"o"]
    store.write([(key, b"of " + key) for key in keys])

    def down(below: bytes) -> list[bytes]:
        found = list(store.items_down(b"n", below))
        assert all(value == b"of " + key for key, value in found)
        return [key for key, _ in found]

    assert down(b"n\xff") == [b"n\x02", b"n\x01\xff", b"n\x01", b"n\x00", b"n"]
    assert down(b"n\x01\xff") == [b"n\x01", b"n\x00", b"n"]
    assert down(b"n\x01\x80") == [b"n\x01", b"n\x00", b"n"]
    assert down(b"n\x00") == [b"n"]
    assert down(b"n") == []
    assert [key for key, _ in store.items_down(b"o", b"o\xff")] == [b"o"]
    assert list(store.items_down(b"p", b"p\xff")) == []


def test_items_down_of_an_empty_store(store: KeyValueStore) -> None:
    assert list(store.items_down(b"n", b"n\xff")) == []


def test_items_do_not_see_later_writes(store: KeyValueStore) -> None:
    store.write([(b"%d" % number, b"") for number in range(9)])
    seen = 0
    for key, _ in store.items(b""):
        store.write([(b"9" + key, b"")])
        seen += 1
    assert seen == 9


def test_a_batch_that_raises_writes_nothing(store: KeyValueStore) -> None:
    def writes() -> Iterator[Write]:
        yield b"a", b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(writes())
    assert store.get(b"a") is None


def test_closing_twice(store: KeyValueStore) -> None:
    store.close()
    store.close()


def test_leveldb_keeps_what_it_was_given(tmp_path: Path) -> None:
    with_values = LevelDbStore(tmp_path / "db", create=True)
    with_values.write([(b"a", b"1")])
    with_values.close()
    again = LevelDbStore(tmp_path / "db", create=False)
    assert again.get(b"a") == b"1"
    again.close()


def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(IndexCorruptError, match="run `esperd reindex`"):
        LevelDbStore(tmp_path / "db", create=False)


def test_a_refused_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LevelDbStore(tmp_path / "db", create=True, write_buffer_bytes=1 << 16)
    # LevelDB cannot make its next log once the folder has gone.
    (tmp_path / "db").rename(tmp_path / "elsewhere")

    def fill() -> None:
        for number in range(4):
            store.write([(b"%d" % number, bytes(1 << 17))])

    with pytest.raises(WriteFailedError, match="nothing acknowledged is lost"):
        fill()
    store.close()


def leveldb_files(folder: Path) -> list[Path]:
    notes = {"LOCK", "LOG", "LOG.old"}
    return sorted(path for path in folder.iterdir() if path.name not in notes)


def test_every_flipped_bit_is_found_and_its_file_named(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    for part in range(2):
        store = LevelDbStore(folder, create=True)
        store.write([(b"%d %d" % (part, number), b"value") for number in range(3)])
        store.close()
    assert damaged_file(folder) is None
    assert {path.suffix for path in leveldb_files(folder)} == {"", ".ldb", ".log"}
    for path in leveldb_files(folder):
        sound = path.read_bytes()
        for position in range(8 * len(sound)):
            damaged = bytearray(sound)
            damaged[position // 8] ^= 1 << position % 8
            path.write_bytes(damaged)
            assert damaged_file(folder) == path, f"{path.name} at bit {position}"
        path.write_bytes(sound)


def test_a_value_changed_on_disk_is_not_handed_out(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    for _ in range(2):
        # The second opening turns the log of the first into a table.
        store = LevelDbStore(folder, create=True)
        store.write([(b"a", b"value")])
        store.close()
    table = next(path for path in leveldb_files(folder) if path.suffix == ".ldb")
    table.write_bytes(table.read_bytes().replace(b"value", b"valve"))
    for log in folder.glob("*.log"):
        log.write_bytes(b"")
    store = LevelDbStore(folder, create=False)
    for read in (
        lambda: store.get(b"a"),
        lambda: list(store.items(b"")),
        lambda: list(store.items_down(b"", b"b")),
    ):
        with pytest.raises(IndexCorruptError, match="run `esperd reindex`") as raised:
            read()
        assert raised.value.path == table
    store.close()


def test_checking_finds_what_leveldb_passes_over(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    store = LevelDbStore(folder, create=True)
    store.write([(b"a", b"1")])
    store.close()
    store = LevelDbStore(folder, create=False)
    store.check()
    table = next(path for path in leveldb_files(folder) if path.suffix == ".ldb")
    data = bytearray(table.read_bytes())
    # A footer ends with zeros and 8 bytes of magic.
    data[-10] ^= 1
    table.write_bytes(data)
    assert store.get(b"a") == b"1"
    with pytest.raises(IndexCorruptError, match="a checksum fails; run `esperd reindex`") as raised:
        store.check()
    assert raised.value.path == table
    store.close()


def test_tables_in_the_making_or_gone_are_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "db"
    for _ in range(2):
        store = LevelDbStore(folder, create=True)
        store.write([(b"a", b"1")])
        store.close()
    store = LevelDbStore(folder, create=False)
    (folder / "000999.ldb").write_bytes(b"half of a table")
    assert damaged_file(folder) == folder / "000999.ldb"
    store.check()
    read = Path.read_bytes

    def gone(path: Path) -> bytes:
        if path.suffix == ".ldb":
            path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", gone)
    store.check()
    store.close()


def test_filling_in_a_log_is_checked(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    store = LevelDbStore(folder, create=True)
    # A batch of 12 bytes, a record of one key and value of 5 bytes of overhead, 7 bytes of head:
    # 5 bytes are left of the first 32 KiB.
    store.write([(b"key", bytes((32 << 10) - 7 - 12 - 8 - 5))])
    store.write([(b"key", b"")])
    store.close()
    log = next(path for path in leveldb_files(folder) if path.suffix == ".log")
    data = bytearray(log.read_bytes())
    assert damaged_file(folder) is None
    assert not any(data[(32 << 10) - 5 : 32 << 10])
    assert data[(32 << 10) - 6 : (32 << 10) + 7] != bytes(13)
    data[(32 << 10) - 3] = 1
    log.write_bytes(data)
    assert damaged_file(folder) == log


def test_the_checksum_is_leveldbs() -> None:
    # The check value of CRC-32C: that of "123456789".
    crc = 0xE3069283
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_crc(b"123456789") == (rotated + 0xA282EAD8) & 0xFFFFFFFF
