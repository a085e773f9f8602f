"""`esper console`: a code in the database, its link on the terminal, sessions that are ended."""

import secrets
from dataclasses import replace

import pytest

from esper.cli.esper import environment as wallet_machine
from esper.gateway.console.session_secrets import kept_hash
from esper.gateway.keys import CONSOLE_ID
from esper.gateway.store.gateway_store import DATABASE_FILE, GatewayStore
from esper.node.clock import wall_ms
from esper.rpc.auth import Cookie, write_cookie
from tests.support.gateway.accounts import account
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]


@pytest.fixture(autouse=True)
def chance(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet_machine, "randomness", secrets.token_bytes)


def test_a_link_whose_code_is_taken_once(console: Console) -> None:
    console.json("key", "list", "--network", "regtest")
    write_cookie(console.datadir, Cookie("http://127.0.0.1:9/", "ab"))
    place, code = console.json("console")["link"].split("#")
    assert place == "http://127.0.0.1:9/console"
    now = wall_ms()
    with GatewayStore(console.datadir / DATABASE_FILE) as store:
        store.accounts.put_local(replace(account(), id=CONSOLE_ID))
        assert store.sign_ins.take_code(kept_hash(code), b"s" * 32, now, now + 1_000_000)
        assert not store.sign_ins.take_code(kept_hash(code), b"t" * 32, now, now + 1_000_000)
    assert console.json("key", "revoke", "console")["sessions"] == 1
    with GatewayStore(console.datadir / DATABASE_FILE) as store:
        assert not store.sign_ins.is_open(b"s" * 32, now)


def test_no_node_runs(console: Console) -> None:
    console.json("key", "list", "--network", "regtest")
    assert "no node runs there" in console.error("console")
