"""Commands that load when they are called: the table says what they say, and loads them alone."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from esper.cli import lazy_commands
from esper.cli.esper.app import COMMANDS as ESPER
from esper.cli.esper.app import application as esper
from esper.cli.esper.looking import ON_DEMAND
from esper.cli.esperd.app import COMMANDS as ESPERD
from esper.cli.esperd.app import application as esperd
from esper.cli.esperd.reported_errors import MISUSED, REFUSED
from esper.cli.lazy_commands import Command, Group, Table
from esper.primitives.networks import NETWORKS, network


def commands(table: Table, package: str) -> Iterator[tuple[Command, str]]:
    for row in table:
        if isinstance(row, Group):
            yield from commands(row.commands, package)
        else:
            yield row, package


ALL = [*commands(ESPER, "esper.cli.esper"), *commands(ESPERD, "esper.cli.esperd")]


@pytest.mark.parametrize(("row", "package"), ALL, ids=[row.place for row, _ in ALL])
def test_the_list_says_what_the_command_says(row: Command, package: str) -> None:
    found: Any = row.load(package)
    said = found.info.help if row.is_group else found.__doc__
    assert isinstance(found, typer.Typer) == row.is_group
    first = " ".join(said.split("\n\n")[0].split())
    assert first == row.about


@pytest.mark.parametrize("application", [esper, esperd])
def test_a_typed_command_is_as_it_is_among_all(application: Any) -> None:
    every: Any = typer.main.get_command(application())
    for name, command in every.commands.items():
        alone: Any = typer.main.get_command(application([name]))
        assert list(alone.commands) == list(every.commands)
        assert [one.name for one in alone.commands[name].params] == [
            one.name for one in command.params
        ]
        for below in getattr(command, "commands", {}):
            deep: Any = typer.main.get_command(application([name, below]))
            assert [one.name for one in deep.commands[name].commands[below].params] == [
                one.name for one in command.commands[below].params
            ]


def test_what_was_not_typed_is_not_loaded() -> None:
    code = """
import sys
from esper.cli.program import run
run("esper", ["--help"])
print(sorted(name for name in sys.modules if name.startswith(("esper.", "numpy", "httpx", "trio"))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    for heavy in ("esper.rpc", "esper.wallet", "esper.model", "_native'", "numpy", "httpx", "trio"):
        assert heavy not in loaded, loaded


@pytest.mark.parametrize("words", [["status"], ["tx", "ab" * 64], ["models"], ["block"]])
def test_looking_at_a_node_loads_neither_keys_nor_models(words: list[str]) -> None:
    code = f"""
import sys
from esper.cli.program import run
run("esper", {words!r})
print(sorted(name for name in sys.modules if name.startswith(("esper.", "numpy", "httpx"))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"ESPER_RPC": "http://127.0.0.1:1/", "ESPER_STALE_NATIVE": "allow"},
    )
    loaded = done.stdout.splitlines()[-1]
    assert "esper.rpc.client" in loaded
    for heavy in (
        "esper.wallet.files.keystore",
        "esper.consensus",
        "esper._native",
        "numpy",
        "httpx",
    ):
        assert heavy not in loaded, loaded


def test_a_place_that_is_none_is_a_defect() -> None:
    with pytest.raises(AttributeError):
        lazy_commands.Command("x", "app:nothing", "").load("esper.cli.esper")


@pytest.mark.parametrize("name", sorted(REFUSED | MISUSED))
def test_an_error_that_is_known_by_name_is_one(name: str) -> None:
    module, _, kind = name.partition(":")
    found = getattr(importlib.import_module(module), kind)
    assert issubclass(found, Exception)
    assert f"{found.__module__}:{found.__qualname__}" == name


def test_no_error_is_both_refused_and_misused() -> None:
    assert not REFUSED & MISUSED


def test_proving_takes_no_numpy(tmp_path: Path) -> None:
    code = f"""
import sys
from esper.cli.program import run
words = ["prove", "genesis", "--prompt", "Once", "--max-tokens", "1", "--out"]
status = run("esper", [*words, {str(tmp_path / "a")!r}])
print(status, "numpy" in sys.modules, "rich" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False False", done.stderr


def test_the_network_that_mines_on_demand_is_known_by_its_name() -> None:
    assert [name for name in NETWORKS if network(name).mines_on_demand] == [ON_DEMAND]
