"""A database that an older program wrote becomes one of this program's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from esper.gateway.proving_rows import Charge, Step
from esper.gateway.store import schema
from esper.gateway.store.budget import PeriodState
from esper.gateway.store.errors import StoreError
from esper.gateway.store.gateway_store import GatewayStore
from tests.support.gateway.accounts import NOW, account, instant

WRITTEN = Path(__file__).parents[3] / "support" / "gateway" / "gateway_1.sql"
"""What a program with version 1 wrote: a proven call and one on its way."""
PROVEN, SENT = "c" * 32, "d" * 32
OWNER = account().id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "gateway.db"
    with sqlite3.connect(made) as connection:
        connection.executescript(WRITTEN.read_text())
    connection.close()
    return made


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return found


def test_all_that_was_kept_is_there(path: Path) -> None:
    assert version_of(path) == 1
    for _ in range(2):
        with GatewayStore(path) as store:
            assert store.accounts.all() == [account()]
            assert store.budget.charges(PROVEN) == {"serve": 10, "proof": 100}
            assert store.budget.state(OWNER, account().period(NOW)) == PeriodState(120, 200)
            proven, sent = store.receipts.find(PROVEN), store.receipts.find(SENT)
            assert proven is not None
            assert (proven.proof, proven.lacking) == (b"a proof", "")
            assert sent is not None
            assert sent.promise == instant(SENT).promise
            kept = store.line.load(0)
            assert [row.call for row in kept.rows] == [PROVEN, SENT]
            assert (kept.next_nonce, kept.damaged) == (3, [])
    assert version_of(path) == schema.SCHEMA_VERSION


def test_what_is_new_works_on_it(path: Path) -> None:
    with GatewayStore(path) as store:
        store.receipts.note_lacking(SENT, "too_large")
        found = store.receipts.find(SENT)
        assert found is not None
        assert found.lacking == "too_large"
        assert store.line.commit(Step(charges=[Charge(SENT, 90)]), NOW) == []
        assert len(store.line.commit(Step(charges=[Charge(PROVEN, 90)]), NOW)) == 1


def test_it_has_what_a_new_one_has(path: Path, tmp_path: Path) -> None:
    def shape(file: Path) -> dict[str, set[str]]:
        GatewayStore(file).close()
        connection = sqlite3.connect(file)
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
        found = {
            name: {column[1] for column in connection.execute(f"PRAGMA table_info({name})")}
            for name in names
        }
        connection.close()
        return found

    assert shape(path) == shape(tmp_path / "new.db")


def test_one_that_breaks_off_is_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {1: schema._STEPS[1] + "CREATE INDEX ledger_by_time ON ledger (at_ms);\n"}
    monkeypatch.setattr(schema, "_STEPS", broken)
    with pytest.raises(StoreError, match="already exists"):
        GatewayStore(path)
    monkeypatch.undo()
    assert version_of(path) == 1
    with GatewayStore(path) as store:
        assert store.receipts.find(SENT) is not None
