"""Questions that share a commit: each whole or not at all, and told when it is on the disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from esper.gateway.store.database import Database
from esper.gateway.store.errors import StoreFullError
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.store_thread import MOST_TOGETHER, StoreThread, _carry_out, _Question

REPOSITORY = Path(__file__).parents[4]


class Mistake(Exception):
    """What a caller's question raises."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


def put(height: int, then: Callable[[], None] = lambda: None) -> Callable[[GatewayStore], int]:
    """A question that keeps a block and returns its height, unless ``then`` raises."""

    def ask(store: GatewayStore) -> int:
        with store._database.commit() as connection:
            connection.execute("INSERT INTO followed VALUES (?, ?)", (height, b""))
            then()
        return height

    return ask


def fails() -> None:
    raise Mistake


def heights(path: Path) -> list[int]:
    """What another program sees."""
    with closing(sqlite3.connect(path)) as database:
        return [one for (one,) in database.execute("SELECT height FROM followed ORDER BY height")]


class Asked(_Question):
    """A question that notes what was on the disk when its asker was told."""

    def __init__(self, path: Path, ask: Callable[[GatewayStore], Any]) -> None:
        super().__init__(ask, None, trio.Event())  # type: ignore[arg-type]
        self._path = path
        self.seen: list[int] | None = None

    def tell(self) -> None:
        self.seen = heights(self._path)


def together(path: Path, *asks: Callable[[GatewayStore], Any]) -> list[Asked]:
    """Carried out as one group."""
    asked = [Asked(path, ask) for ask in asks]
    with GatewayStore(path) as store:
        _carry_out(store, [*asked])
        # The connection is free for the next.
        put(99)(store)
    return asked


def test_one_that_fails_undoes_itself_alone(path: Path) -> None:
    first, second, third = together(path, put(1), put(2, fails), put(3))
    assert heights(path) == [1, 3, 99]
    assert (first.answer, third.answer) == (1, 3)
    assert first.error is None
    assert third.error is None
    assert isinstance(second.error, Mistake)


def test_the_first_may_fail_too(path: Path) -> None:
    together(path, put(1, fails), put(2))
    assert heights(path) == [2, 99]


def test_a_constraint_is_the_fault_of_one(path: Path) -> None:
    first, second, third = together(path, put(1), put(1), put(2))
    assert isinstance(second.error, sqlite3.IntegrityError)
    assert (first.error, third.error) == (None, None)
    assert heights(path) == [1, 2, 99]


def test_nobody_is_told_before_all_is_on_the_disk(path: Path) -> None:
    asked = together(path, put(1), lambda store: store.line.find("none"), put(2))
    assert [one.seen for one in asked] == [[1, 2]] * 3


def test_readers_see_nothing_of_a_group_that_is_not_done(path: Path) -> None:
    with GatewayStore(path) as store:
        with store.group():
            put(1)(store)
            assert heights(path) == []
        assert heights(path) == [1]


def test_a_group_that_breaks_leaves_nothing(path: Path) -> None:
    with GatewayStore(path) as store:
        with suppress(Mistake), store.group():
            put(1)(store)
            raise Mistake
        assert heights(path) == []
        put(2)(store)
    assert heights(path) == [2]


def test_a_group_of_readers_takes_no_lock(path: Path) -> None:
    with GatewayStore(path) as one, GatewayStore(path) as other, one.group():
        one.line.find("none")
        put(1)(other)
        one.line.find("none")
    assert heights(path) == [1]


class FailingConnection:
    """Hands everything on; a statement fails as SQLite fails."""

    def __init__(self, connection: sqlite3.Connection, statement: str, kind: str) -> None:
        self._connection, self._statement, self._kind = connection, statement, kind
        self.is_sound = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        if statement == self._statement and not self.is_sound:
            error = sqlite3.OperationalError("disk is full")
            error.sqlite_errorname = self._kind
            raise error
        return self._connection.execute(statement, *parameters)


def test_a_commit_that_fails_is_told_to_all(path: Path) -> None:
    asked = [Asked(path, ask) for ask in (put(1), lambda store: 7, put(2, fails), put(3))]
    with GatewayStore(path) as store:
        database = store._database
        failing = FailingConnection(database._connection, "COMMIT", "SQLITE_FULL")
        database._connection = failing  # type: ignore[assignment]
        _carry_out(store, [*asked])
        failing.is_sound = True
        assert [type(one.error) for one in asked] == [
            *(StoreFullError, StoreFullError),
            *(Mistake, StoreFullError),
        ]
        assert all(one.seen == [] for one in asked)
        put(4)(store)
    assert heights(path) == [4]


def test_a_full_disk_in_the_middle_fails_all(path: Path) -> None:
    """SQLite itself then takes back the whole transaction, parts that were whole included."""

    def much(store: GatewayStore) -> None:
        with store._database.commit() as connection:
            connection.execute("INSERT INTO followed VALUES (2, zeroblob(4000000))")

    asked = [Asked(path, ask) for ask in (put(1), much, put(3))]
    with GatewayStore(path) as store:
        connection = store._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        _carry_out(store, [*asked])
        assert isinstance(asked[1].error, StoreFullError)
        seen = heights(path)
        told = [at for at, one in zip((1, 2, 3), asked, strict=True) if one.error is None]
        assert seen == told, "who was told that it is kept finds it"
        connection.execute("PRAGMA max_page_count = 1000000")
        put(4)(store)
    assert heights(path) == [4]


def test_what_is_asked_at_once_shares_one_commit(path: Path, monkeypatch: Any) -> None:
    groups = 0
    real = Database.group

    def counted(self: Database) -> Any:
        nonlocal groups
        groups += 1
        return real(self)

    monkeypatch.setattr(Database, "group", counted)

    async def main() -> None:
        store = await StoreThread.open(path)
        held, go_on = trio.Event(), threading.Event()
        token = trio.lowlevel.current_trio_token()

        def block(_: GatewayStore) -> None:
            token.run_sync_soon(held.set)
            go_on.wait(30)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.ask, block)
            await held.wait()
            for height in range(MOST_TOGETHER + 1):
                nursery.start_soon(store.ask, put(height))
            await trio.testing.wait_all_tasks_blocked()
            go_on.set()
        await store.close()

    trio.run(main)
    assert heights(path) == list(range(MOST_TOGETHER + 1))
    assert groups == 3, "the one that held it, a full group, and what was over"


CHILD = """
import os, signal, sys
from pathlib import Path
import tests.unit.gateway.store.test_store_groups as t
path = Path(sys.argv[1])
asked = [t.Asked(path, ask) for ask in (t.put(1), t.put(2))]
for one in asked:
    one.tell = lambda: print("told", flush=True)
with t.GatewayStore(path) as store:
    database = store._database
    t.dies_at(database, sys.argv[2])
    t._carry_out(store, asked)
"""


def dies_at(database: Database, statement: str) -> None:
    """The process is killed when it gives a statement to SQLite."""

    class Dying(FailingConnection):
        def execute(self, given: str, *parameters: Any) -> Any:
            if given == self._statement:
                os.kill(os.getpid(), 9)
            return self._connection.execute(given, *parameters)

    database._connection = Dying(database._connection, statement, "")  # type: ignore[assignment]


@pytest.mark.parametrize("statement", ["COMMIT", "RELEASE part"])
def test_killed_before_the_commit_nobody_was_told(path: Path, statement: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, path, statement],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -9, done.stderr
    assert done.stdout == ""
    assert heights(path) == []
