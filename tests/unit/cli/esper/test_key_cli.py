"""`esper key`: made, listed, revoked and counted on the database that a node uses."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from esper.cli.esper.app import application
from esper.gateway.keys import is_key_of, key_id
from esper.gateway.store.gateway_store import DATABASE_FILE, GatewayStore
from esper.gateway.store.receipts import Instant
from esper.node.datadir import DataDirectory
from esper.node.gateway.local_key import local_account
from esper.primitives.networks import NETWORKS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "node"
    DataDirectory.open_or_create(path, NETWORKS["regtest"])
    return path


def key(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(application(), ["key", *words, "--datadir", str(folder)])


def test_a_key_is_shown_once_and_kept_as_a_hash(folder: Path) -> None:
    made = key(folder, "new", "--name", "Lily", "--budget", "0.5", "--days", "3")
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert "shown this once" in made.stderr
    path = folder / DATABASE_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with GatewayStore(path) as store:
        account = store.accounts.find(key_id(secret))
    assert account is not None
    assert is_key_of(secret, account)
    assert (account.budget, account.name) == (500_000, "Lily")
    assert account.expires_ms == account.created_ms + 3 * 24 * 3600 * 1000
    assert sorted(account.scopes) == ["infer", "receipts", "usage"]
    assert secret.encode() not in b"".join(
        one.read_bytes() for one in folder.iterdir() if one.is_file()
    )
    for shown in (key(folder, "list"), key(folder, "list", "--json")):
        assert account.id in shown.stdout
        assert secret not in shown.output
        assert secret[-20:] not in shown.output


def test_publishing_is_asked_for_by_name_and_said(folder: Path) -> None:
    assert "for ever" not in key(folder, "new").output
    made = key(folder, "new", "--scope", "infer, prove")
    assert "for ever, for everyone to read" in made.stderr
    told = json.loads(key(folder, "new", "--scope", "prove", "--json").stdout)
    assert told["scopes"] == ["prove"]
    assert told["key"].startswith("esk_")


def test_a_revoked_key_is_no_key(folder: Path) -> None:
    name = json.loads(key(folder, "new", "--json").stdout)["id"]
    assert key(folder, "revoke", name).stdout == f"{name} is revoked.\n"
    again = key(folder, "revoke", name)
    assert (again.exit_code, again.stderr) == (1, f"key {name} was revoked before\n")
    [listed] = json.loads(key(folder, "list", "--json").stdout)["keys"]
    assert listed["usable"] is False
    assert listed["revoked_ms"]
    assert "revoked" in key(folder, "list").stdout


def test_usage_is_told_by_day(folder: Path) -> None:
    assert key(folder, "usage").stdout == "Nothing in the last 7 days.\n"
    name = json.loads(key(folder, "new", "--json").stdout)["id"]
    with GatewayStore(folder / DATABASE_FILE) as store:
        account = store.accounts.find(name)
        assert account is not None
        now = account.created_ms
        store.budget.reserve("a" * 32, name, 100, now)
        store.receipts.promise(Instant("a" * 32, name, b"promise", 60, 0, 7, 9, b"answer"), now)
    [day] = json.loads(key(folder, "usage", name, "--json").stdout)["usage"]
    assert (day["requests"], day["prompt_tokens"], day["answer_tokens"], day["serve"]) == (
        1,
        7,
        9,
        60,
    )
    assert "1 requests, 7 + 9 tokens" in key(folder, "usage").stdout
    [listed] = json.loads(key(folder, "list", "--json").stdout)["keys"]
    assert (listed["spent"], listed["reserved"]) == (60, 0)


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (("new", "--scope", "infer,all"), "'all' is none of infer, prove", 2),
        (("new", "--scope", ""), "'' is none of", 2),
        (("new", "--period", "year"), "--period must be one of hour, day", 2),
        (("new", "--name", "a\x1b[31m"), "--name must have at most 64", 2),
        (("new", "--budget", "much"), "--budget", 2),
        (("revoke", "nobody12"), "no key nobody12", 1),
        (("revoke", "esk_00000000_" + "0" * 43), "a key is a secret", 2),
        (("usage", "nobody12"), "no key nobody12", 1),
    ],
)
def test_what_is_refused_is_said(
    folder: Path, words: tuple[str, ...], said: str, status: int
) -> None:
    refused = key(folder, *words)
    assert said in refused.stderr
    assert refused.exit_code == status
    if words[1].startswith("esk_"):
        assert words[1] not in refused.output


def test_the_key_of_this_machine_is_a_setting(folder: Path) -> None:
    with GatewayStore(folder / DATABASE_FILE) as store:
        store.accounts.put_local(local_account(0))
    assert "gateway_open" in key(folder, "revoke", "local").stderr
    assert "programs of this machine" in key(folder, "list").stdout


def test_another_folder_has_no_keys(tmp_path: Path) -> None:
    refused = key(tmp_path, "new")
    assert refused.exit_code == 1
    assert "esperd init" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_damaged_database_is_named(folder: Path) -> None:
    (folder / DATABASE_FILE).write_bytes(b"no database at all" * 100)
    refused = key(folder, "list")
    assert refused.exit_code == 1
    assert DATABASE_FILE in refused.stderr
