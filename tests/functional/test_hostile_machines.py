"""Every command on every machine that does not help it: one sentence at most, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from esper.cli.esper.app import application as esper
from esper.cli.esperd.app import application as esperd
from tests.support.hostile.conditions import CONDITIONS
from tests.support.node_process import BIN, RunningNode, running

pytestmark = pytest.mark.serial

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "genesis" / "model"
ADDRESS = "ADDRESS"
TXID = "ab" * 64
LASTS = {"esperd node", "esperd mine"}
"""What runs until it is told to end."""
COMMANDS: dict[str, list[str]] = {
    "esper model export": [str(ROOT / "no-folder"), "out"],
    "esper model show": [str(MODEL)],
    "esper model run": [str(MODEL), "--prompt", "Once", "--max-tokens", "2"],
    "esper prove": [str(MODEL), "--prompt", "Once", "--max-tokens", "1", "--out", "a.proof"],
    "esper verify": ["no.proof", "--model-id", TXID],
    "esper wallet new": ["--wallet", "fresh", "--network", "regtest"],
    "esper wallet restore": ["--wallet", "again", "--network", "regtest"],
    "esper wallet list": [],
    "esper wallet import": ["--demo", "--network", "regtest"],
    "esper wallet watch": [ADDRESS, "--wallet", "watching", "--network", "regtest"],
    "esper wallet address": ["--new"],
    "esper wallet label": [ADDRESS, "Jos\u00e9 \u4e2d"],
    "esper wallet backup": ["backup.json", "--words"],
    "esper wallet scan": [],
    "esper wallet password": [],
    "esper balance": [],
    "esper history": [],
    "esper status": [],
    "esper send": [ADDRESS, "1"],
    "esper stake": ["1"],
    "esper unstake": ["1"],
    "esper credits": [],
    "esper credits send": [ADDRESS, "1"],
    "esper call": ["Once", "--max-tokens", "2"],
    "esper tx": [TXID],
    "esper block": [],
    "esper models": [],
    "esper cancel": [TXID],
    "esper bump": [TXID],
    "esper build send": [ADDRESS, "1", "--out", "a.unsigned"],
    "esper build stake": ["1", "--out", "a.unsigned"],
    "esper build unstake": ["1", "--out", "a.unsigned"],
    "esper build credits": [ADDRESS, "1", "--out", "a.unsigned"],
    "esper sign": ["a.unsigned", "--out", "a.signed"],
    "esper submit": ["a.signed"],
    "esperd init": ["--network", "regtest"],
    "esperd node": ["--rpc-port", "0"],
    "esperd mine": ["--rpc-port", "0", "--threads", "1"],
    "esperd config": [],
    "esperd mining": [],
    "esperd pause": [],
    "esperd resume": [],
    "esperd threads": ["--search", "1"],
    "esperd stop": [],
    "esperd verify-chain": [],
    "esperd reindex": [],
    "esperd demo-tamper": [],
}
"""Arguments that would do something where the machine helps."""
OF_THE_NODE = {"esperd stop", "esperd pause"}
"""They reach the node that all others ask."""


def names_of(program: str, command: Any) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None or getattr(command, "invoke_without_command", False):
        yield program
    for name, one in (below or {}).items():
        yield from names_of(f"{program} {name}", one)


def test_every_command_is_tried() -> None:
    found = {
        name
        for program, application in (("esper", esper), ("esperd", esperd))
        for name in names_of(program, typer.main.get_command(application()))
    }
    assert found == set(COMMANDS)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    datadir = tmp_path_factory.mktemp("hostile") / "node"
    with running("node", datadir, "--network", "regtest") as found:
        yield found


@pytest.fixture(scope="module")
def template(node: RunningNode) -> Path:
    """A data directory with a chain and a wallet that no node has open."""
    folder = node.datadir.parent / "template"
    run = {"check": True, "capture_output": True, "text": True}
    subprocess.run([BIN / "esperd", "init", "--network", "regtest", "--datadir", folder], **run)  # type: ignore[call-overload]
    return folder


@pytest.fixture(scope="module")
def zygote() -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.hostile.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, answers = process.stdin, process.stdout

        def ask(case: dict[str, Any]) -> dict[str, Any]:
            print(json.dumps(case), file=commands, flush=True)
            answered: dict[str, Any] = json.loads(answers.readline())
            return answered

        yield ask
        commands.close()


@pytest.fixture(scope="module")
def address(node: RunningNode) -> str:
    listed = subprocess.run(
        [BIN / "esper", "wallet", "list", "--json", "--datadir", node.datadir],
        check=True,
        capture_output=True,
        text=True,
    )
    found: str = json.loads(listed.stdout)["wallets"][0]["addresses"][0]["address"]
    return found


def leftovers(folder: Path) -> set[str]:
    return {
        str(one.relative_to(folder))
        for one in folder.rglob("*")
        if one.name.endswith((".new", ".tmp", ".part")) or ".new." in one.name
    }


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_machine_gets_a_traceback(
    command: str,
    condition: str,
    node: RunningNode,
    template: Path,
    zygote: Callable[[dict[str, Any]], dict[str, Any]],
    address: str,
    tmp_path: Path,
) -> None:
    if command in OF_THE_NODE and condition != "homeless":
        # Of these nothing but the connection differs from `esperd resume`.
        pytest.skip("would end or pause the node of all other cases")
    folder = tmp_path / "data"
    shutil.copytree(template, folder)
    program, *words = command.split()
    arguments = [address if one == ADDRESS else one for one in COMMANDS[command]]
    found = zygote(
        {
            "program": program,
            "arguments": [*words, *arguments],
            "condition": condition,
            "folder": str(folder),
            "stop_s": 1.0 if command in LASTS else None,
            "environment": {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "ESPER_DATADIR": str(folder),
                "ESPER_PASSWORD": "demo",
                "ESPER_NEW_PASSWORD": "another",
                **({} if program == "esperd" and command in LASTS else {"ESPER_RPC": node.url}),
                **{n: os.environ[n] for n in ("ESPER_STALE_NATIVE",) if n in os.environ},
            },
        }
    )
    said, errors = found["said"]
    assert found["ended"], (said, errors)
    assert "Traceback" not in errors + said, errors
    assert "defect" not in errors, errors
    assert "Exception ignored" not in errors, errors
    assert found["status"] in (0, 1, 2, 130), (found["status"], errors)
    if found["status"] in (1, 2) and condition != "closed_errors":
        assert errors.strip(), "refused without a word"
    assert not leftovers(folder)


IMPORTED = ("typer", "esper.cli.lazy_commands", "esper.rpc.schema", "esper.primitives.params")
"""Modules whose import is interrupted: the first, and some that many commands need."""


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_while_modules_are_imported_is_silent(command: str, tmp_path: Path) -> None:
    program, *words = command.split()
    code = f"""
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name in {IMPORTED!r} and name == IMPORTED_NOW:
            os.kill(os.getpid(), signal.SIGINT)
IMPORTED_NOW = {IMPORTED!r}[{sum(map(ord, command))} % {len(IMPORTED)}]
sys.meta_path.insert(0, Interrupt())
sys.argv = {[program, *words, *COMMANDS[command]]!r}
from esper.cli.entry import {program}
{program}()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ESPER_DATADIR": str(tmp_path), "ESPER_RPC": "http://127.0.0.1:1/"},
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (-signal.SIGINT, 130, 0, 1, 2), (done.returncode, done.stderr)


@pytest.mark.parametrize("program", ["esper", "esperd"])
@pytest.mark.parametrize("descriptors", [5, 6, 8, 12])
def test_a_process_that_may_open_few_files_says_so(
    program: str, descriptors: int, tmp_path: Path
) -> None:
    words = {"esper": ["wallet", "list"], "esperd": ["init", "--network", "regtest"]}[program]
    done = subprocess.run(
        ["bash", "-c", f'ulimit -n {descriptors}; exec "$@"', "-", BIN / program, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ESPER_DATADIR": str(tmp_path / "data")},
        timeout=60,
    )
    if done.returncode == 0:
        return
    assert "Traceback" not in done.stderr, done.stderr
    assert "open files" in done.stderr.lower(), done.stderr
