"""The tables, and how a file becomes a database with them."""

import os
import sqlite3
from pathlib import Path
from typing import Final

from esper.gateway.store.errors import StoreVersionError, damaged, told

SCHEMA_VERSION: Final = 2
BUSY_MS: Final = 5_000
"""How long `esper key` and the node wait for each other."""

_TABLES: Final = """
CREATE TABLE keys (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL,
    budget INTEGER NOT NULL, period_ms INTEGER NOT NULL, requests_per_minute INTEGER NOT NULL,
    tokens_per_minute INTEGER NOT NULL, streams INTEGER NOT NULL, max_price INTEGER NOT NULL,
    created_ms INTEGER NOT NULL, expires_ms INTEGER, revoked_ms INTEGER, webhook TEXT NOT NULL,
    webhook_key BLOB NOT NULL, greedy_anyway INTEGER NOT NULL
) STRICT;
CREATE TABLE periods (
    key TEXT NOT NULL, period INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    PRIMARY KEY (key, period)
) STRICT, WITHOUT ROWID;
CREATE TABLE reservations (
    call TEXT PRIMARY KEY, key TEXT NOT NULL, period INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0)
) STRICT;
CREATE TABLE ledger (
    call TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('serve', 'proof')),
    key TEXT NOT NULL, period INTEGER NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0),
    at_ms INTEGER NOT NULL, UNIQUE (call, kind)
) STRICT;
CREATE INDEX ledger_by_time ON ledger (at_ms);
CREATE TABLE usage (
    key TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0, answer_tokens INTEGER NOT NULL DEFAULT 0,
    serve INTEGER NOT NULL DEFAULT 0, proof INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (key, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE receipts (
    call TEXT PRIMARY KEY, key TEXT NOT NULL, period INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    promise BLOB, proven_ms INTEGER, proof BLOB, lacking TEXT
) STRICT;
CREATE INDEX receipts_by_time ON receipts (coalesce(proven_ms, at_ms)) WHERE promise IS NOT NULL;
CREATE TABLE repeats (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, name TEXT, body BLOB NOT NULL,
    at_ms INTEGER NOT NULL, call TEXT NOT NULL UNIQUE, answer BLOB, UNIQUE (key, name)
) STRICT;
CREATE INDEX repeats_by_body ON repeats (key, body, at_ms);
CREATE INDEX repeats_by_time ON repeats (at_ms);
CREATE TABLE rows (call TEXT PRIMARY KEY, settled_at INTEGER, data BLOB NOT NULL) STRICT;
CREATE INDEX rows_by_end ON rows (settled_at);
CREATE TABLE followed (height INTEGER PRIMARY KEY, block_id BLOB NOT NULL) STRICT;
CREATE TABLE line (
    one INTEGER PRIMARY KEY CHECK (one = 1), next_nonce INTEGER NOT NULL, stopped TEXT NOT NULL
) STRICT;
INSERT INTO line VALUES (1, 0, '');
CREATE TABLE console_codes (hash BLOB PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT;
CREATE TABLE console_sessions (hash BLOB PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT;
CREATE TRIGGER charged AFTER INSERT ON ledger BEGIN
    INSERT INTO periods (key, period, spent) VALUES (NEW.key, NEW.period, NEW.amount)
    ON CONFLICT DO UPDATE SET spent = spent + excluded.spent;
END;
CREATE TRIGGER reserved AFTER INSERT ON reservations BEGIN
    INSERT INTO periods (key, period, reserved) VALUES (NEW.key, NEW.period, NEW.amount)
    ON CONFLICT DO UPDATE SET reserved = reserved + excluded.reserved;
END;
CREATE TRIGGER changed AFTER UPDATE OF amount ON reservations BEGIN
    UPDATE periods SET reserved = reserved - OLD.amount + NEW.amount
    WHERE key = NEW.key AND period = NEW.period;
END;
CREATE TRIGGER released AFTER DELETE ON reservations BEGIN
    UPDATE periods SET reserved = reserved - OLD.amount
    WHERE key = OLD.key AND period = OLD.period;
END;
"""
"""Sums of a period follow their rows by triggers: no writer can forget them."""

_STEPS: Final = {
    1: """
ALTER TABLE receipts ADD COLUMN lacking TEXT;
CREATE INDEX ledger_by_time ON ledger (at_ms);
""",
}
"""What makes a database of a version one of the next."""


def connect(path: Path) -> sqlite3.Connection:
    """Open or make a database, for the calling thread alone. Raises StoreError.

    The file is its owner's alone, from its first byte on: it names who asked for what.
    """
    with told(path):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")
    # One that another program may make meanwhile is looked at again under the lock.
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < 0:
        raise damaged(path, f"it has version {version}")
    if version == 0:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
            raise damaged(path, "it holds tables that are not a gateway's")
        for statement in _statements(_TABLES):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for step in range(version, SCHEMA_VERSION) if version else ():
        for statement in _statements(_STEPS[step]):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {step + 1}")
    connection.execute("COMMIT")
    if version > SCHEMA_VERSION:
        raise StoreVersionError(
            path,
            f"it has version {version}, this program knows {SCHEMA_VERSION}",
            "use the program that made it, or a newer one",
        )
    (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if sound != "ok":
        raise damaged(path, str(sound))


def _statements(script: str) -> list[str]:
    """``executescript`` would commit first: tables and version belong into one commit."""
    found, begun = [], ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return found
