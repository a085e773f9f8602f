"""Flags of ``esperd`` that come from settings, and what a wrong one is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esper.cli.esperd.app import application
from esper.embedded import find_embedded
from esper.node.setting_fields import HIDDEN, Use, declared
from esper.node.settings import Settings

COMMANDS = {
    "init": {Use.DIRECTORY},
    "node": {Use.DIRECTORY, Use.NODE},
    "mine": set(Use),
    "config": set(Use),
}


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Commands send their log to a stream that is closed afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def run(*arguments: str | Path, status: int = 0, **environment: str) -> str:
    plain = {"NO_COLOR": "1", "COLUMNS": "200", **environment}
    done = CliRunner().invoke(application(), [str(one) for one in arguments], env=plain)
    assert done.exit_code == status, done.output
    return done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_the_flags_of_its_settings(command: str) -> None:
    told = run(command, "--help").split()
    for one in declared(Settings):
        takes = not one.traits.secret and one.traits.use in COMMANDS[command]
        assert (f"--{one.name.replace('_', '-')}" in told) is takes, one.name
    assert ("--no-log-json" in told) is (Use.NODE in COMMANDS[command])
    assert "--no-no-listen" not in told


def test_config_shows_flags_of_every_type(tmp_path: Path) -> None:
    model = str(find_embedded().model)
    given = ["--threads", "3", "--rpc-hosts", "a.lan,b.lan", "--no-log-json", "--prune", "no"]
    given += ["--model", model]
    found = json.loads(run("config", "--datadir", tmp_path, "--json", *given))
    assert {name: one["value"] for name, one in found.items() if one["source"] == "flag"} == {
        "datadir": str(tmp_path),
        "threads": 3,
        "model": model,
        "rpc_hosts": ["a.lan", "b.lan"],
        "log_json": False,
        "prune": "no",
    }
    assert found["network"] == {"value": "devnet", "source": "default"}
    lines = run("config", "--datadir", tmp_path, *given).splitlines()
    assert [line.split(" = ")[0] for line in lines] == list(found)


def test_a_list_may_be_given_in_one_flag_or_in_several(tmp_path: Path) -> None:
    given = ("--rpc-hosts", "a.lan", "--rpc-hosts", "b.lan,c.lan")
    found = json.loads(run("config", "--datadir", tmp_path, "--json", *given))
    assert found["rpc_hosts"] == {"value": ["a.lan", "b.lan", "c.lan"], "source": "flag"}
    found = json.loads(run("config", "--datadir", tmp_path, "--json", ESPER_RPC_HOSTS="d.lan"))
    assert found["rpc_hosts"] == {"value": ["d.lan"], "source": "environment"}


def test_config_hides_what_is_secret(tmp_path: Path) -> None:
    digest = "ab" * 32
    for form in ((), ("--json",)):
        told = run("config", "--datadir", tmp_path, *form, ESPER_RPC_TOKENS=digest)
        assert HIDDEN in told
        assert digest not in told


def test_a_data_directory_knows_its_network(tmp_path: Path) -> None:
    run("init", "--network", "regtest", "--datadir", tmp_path)
    found = json.loads(run("config", "--datadir", tmp_path, "--json"))
    assert found["network"] == {"value": "regtest", "source": "directory"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--rpc-port", "99999"), "rpc_port = '99999': must be a whole number of at least 0 and"),
        (("--threads", "two"), "threads = 'two': must be a whole number"),
        (("--network", "moonnet"), "network = 'moonnet': must be one of mainnet,"),
        (("--rpc-hosts", "*"), "rpc_hosts = '*': each must be a host name"),
        (("--payee", "nobody", "--network", "regtest"), "payee = 'nobody': "),
        (("--connect", "192.0.2.7"), "connect = '192.0.2.7': address: "),
        (("--listen", "no such host"), "listen = 'no such host': must be an address or name"),
        (("--seeds-file", "/no/such"), "seeds_file = '/no/such': /no/such cannot be read"),
        (("--no-listen", "--listen", "127.0.0.1"), "listen = '127.0.0.1': leave it out, or"),
    ],
)
def test_a_wrong_flag_is_one_line_before_anything_is_opened(
    tmp_path: Path, given: tuple[str, ...], told: str
) -> None:
    datadir = tmp_path / "node"
    said = run("mine", "--datadir", datadir, *given, status=2)
    [line] = said.splitlines()
    assert line.startswith(f"error: command line: {told}")
    assert not datadir.exists()
