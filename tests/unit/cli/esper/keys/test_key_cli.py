"""`esper key`: made in the gateway's database, shown once, beside a node that has it open."""

import re
import secrets
from typing import Any

import pytest

from esper.cli.esper import environment as wallet_machine
from esper.cli.esper.keys.key_making import PUBLISHED
from esper.gateway.keys import Account, Scope, is_key_of
from esper.gateway.store.database import Database
from esper.gateway.store.gateway_store import DATABASE_FILE, GatewayStore
from esper.node.clock import wall_ms
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]

REGTEST = ("--network", "regtest")


@pytest.fixture(autouse=True)
def chance(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet_machine, "randomness", secrets.token_bytes)


def made(console: Console, *options: str) -> Any:
    return console.json("key", "new", *REGTEST, *options)


def kept(console: Console, key: str) -> Account:
    with GatewayStore(console.datadir / DATABASE_FILE) as store:
        found = store.accounts.find(key)
    assert found is not None
    return found


def test_a_key_that_opens_what_was_asked_for(console: Console) -> None:
    words = ("--scope", "infer,usage", "--budget", "7", "--period", "hour", "--streams", "2")
    limits = ("--requests-per-minute", "3", "--tokens-per-minute", "4", "--max-price", "5")
    found = made(console, *words, *limits, "--name", "Jo", "--expires", "12h", "--greedy-anyway")
    account = kept(console, found["id"])
    assert is_key_of(found["key"], account)
    assert account.scopes == {Scope.INFER, Scope.USAGE}
    assert (account.budget, account.period_ms, account.streams) == (7, 3_600_000, 2)
    assert (account.requests_per_minute, account.tokens_per_minute, account.max_price) == (3, 4, 5)
    assert (account.name, account.greedy_anyway) == ("Jo", True)
    assert account.expires_ms == account.created_ms + 12 * 3_600_000


def test_the_file_is_its_owners_alone(console: Console) -> None:
    made(console)
    assert (console.datadir / DATABASE_FILE).stat().st_mode & 0o777 == 0o600


def test_a_key_does_not_publish_unless_it_is_named(console: Console) -> None:
    found = made(console)
    assert Scope.PROVE not in kept(console, found["id"]).scopes
    assert "warning" not in found


def test_prove_is_warned_of(console: Console) -> None:
    assert made(console, "--scope", "infer,prove")["warning"] == PUBLISHED
    _, told = console.both("key", "new", "--scope", "prove")
    assert PUBLISHED in told


def test_prove_is_asked_for_on_a_terminal(console: Console) -> None:
    made(console)
    console.terminal, console.typed = True, ["n"]
    assert "nothing was done" in console.error("key", "new", "--scope", "prove")
    assert len(console.json("key", "list")["keys"]) == 1


def test_a_key_is_shown_once(console: Console) -> None:
    found = made(console, "--webhook", "https://example.org/hook")
    secret = found["key"].rsplit("_", 1)[1]
    assert re.fullmatch("[0-9a-f]{64}", found["webhook_key"])
    later = console.run("key", "list", "--json") + console.run("key", "list")
    later += console.run("key", "usage") + console.run("key", "revoke", found["id"])
    assert found["id"] in later
    assert secret not in later
    assert found["webhook_key"] not in later


def test_revoked_once_and_for_all(console: Console) -> None:
    key = made(console)["id"]
    assert console.json("key", "revoke", key) == {"id": key, "revoked_now": True}
    assert console.json("key", "revoke", key) == {"id": key, "revoked_now": False}
    assert not kept(console, key).usable(wall_ms())
    assert "revoked" in console.run("key", "list")


def test_a_whole_key_is_not_said_back(console: Console) -> None:
    key = made(console)["key"]
    for command in ("revoke", "usage"):
        told = console.error("key", command, key, status=2)
        assert "8 characters" in told
        assert key.rsplit("_", 1)[1] not in told


def test_usage_by_day(console: Console) -> None:
    key = made(console)["id"]
    with GatewayStore(console.datadir / DATABASE_FILE) as store:
        assert store.budget.reserve("c" * 32, key, 40, wall_ms())
    [found] = console.json("key", "usage", key)["keys"]
    assert found["budget"] == {"limit": 100_000_000, "spent": 0, "reserved": 40}
    assert "40 reserved" in console.run("key", "usage")


def test_beside_a_node_that_has_it_open(console: Console) -> None:
    made(console)
    with Database(console.datadir / DATABASE_FILE) as node:
        key = made(console)["id"]
        with node.reading() as connection:
            ids = [row[0] for row in connection.execute("SELECT id FROM keys")]
    assert key in ids


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--scope", "infer,all"), "--scope"),
        (("--scope", ""), "--scope"),
        (("--budget", "-1"), "budget"),
        (("--streams", "0"), "streams"),
        (("--webhook", "http://example.org/"), "webhook"),
        (("--webhook", "https://me:secret@example.org/"), "webhook"),
        (("--expires", "soon"), "--expires"),
        (("--expires", "2001-01-01"), "is over"),
        (("--network", "moon"), "moon"),
    ],
)
def test_misused(console: Console, words: tuple[str, ...], named: str) -> None:
    assert named in console.error("key", "new", *REGTEST, *words, status=2)
    assert not (console.datadir / DATABASE_FILE).exists()


def test_a_folder_without_a_chain(console: Console) -> None:
    assert "--network" in console.error("key", "list", status=2)


def test_a_damaged_database_is_told(console: Console) -> None:
    made(console)
    (console.datadir / DATABASE_FILE).write_bytes(b"no database" * 100)
    assert DATABASE_FILE in console.error("key", "list")
