"""The file itself: whose it is, and what is said when it cannot be used."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from esper.gateway.store.errors import (
    StoreDamagedError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreRefusedError,
    StoreVersionError,
)
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.schema import SCHEMA_VERSION
from tests.support.gateway.accounts import NOW, account


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "gateway.db"
    with GatewayStore(made) as store:
        store.accounts.add(account())
    return made


def refusal(path: Path, kind: type[StoreError]) -> str:
    with pytest.raises(kind) as told:
        GatewayStore(path)
    assert str(path) in str(told.value)
    return str(told.value)


def test_it_is_its_owners_alone(path: Path) -> None:
    path.chmod(0o644)
    with GatewayStore(path) as store:
        store.accounts.revoke("x", NOW)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert set(modes) == {"gateway.db", "gateway.db-wal", "gateway.db-shm"}
    assert set(modes.values()) == {0o600}


def test_commits_are_on_the_disk(path: Path) -> None:
    with GatewayStore(path) as store, store._database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert "no link" in refusal(link, StoreRefusedError)
    refusal(tmp_path, StoreRefusedError)
    refusal(tmp_path / "nowhere" / "gateway.db", StoreRefusedError)


@pytest.mark.parametrize("kept", [b"", b"SQLite format 3\0"])
def test_damage_names_the_backup(path: Path, kept: bytes) -> None:
    path.write_bytes(kept + b"x" * 4096)
    assert "backup" in refusal(path, StoreDamagedError)


def test_a_damaged_page_is_seen_at_the_start(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)
    refusal(path, StoreDamagedError)


def test_another_programs_tables_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    assert "not a gateway's" in refusal(other, StoreDamagedError)


def test_a_newer_version_is_not_written(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    told = refusal(path, StoreVersionError)
    assert f"it has version {SCHEMA_VERSION + 1}, this program knows {SCHEMA_VERSION}" in told
    assert "or a newer one" in told


def test_a_version_that_never_was_is_damage(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = -1")
    connection.close()
    assert "version -1" in refusal(path, StoreDamagedError)


def test_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esper.gateway.store.schema.BUSY_MS", 1)
    with GatewayStore(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLockedError, match="stop the other program"):
            store.accounts.revoke("x", NOW)
        refusal(path, StoreLockedError)
        holder.close()


def test_full_and_nothing_is_half_kept(path: Path) -> None:
    with GatewayStore(path) as store:
        with store._database.reading() as connection:
            connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreFullError, match="free some space"):
            store.line.follow_from([(1, bytes(1 << 20))])
        assert not store.line.load(0).followed
        with store._database.reading() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        store.line.follow_from([(1, b"id")])
        assert store.line.load(0).followed == [(1, b"id")]


def test_keys_that_are_none_are_damage(path: Path) -> None:
    with GatewayStore(path) as store:
        with store._database.commit() as connection:
            connection.execute("UPDATE keys SET scopes = 'everything'")
        with pytest.raises(StoreDamagedError, match="keys"):
            store.accounts.all()


def test_another_thread_is_refused(path: Path) -> None:
    refused: list[Exception] = []
    with GatewayStore(path) as store:

        def read() -> None:
            try:
                store.accounts.all()
            except sqlite3.ProgrammingError as error:
                refused.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert refused
