"""Every command on every machine that does not help it: one sentence at most, never a traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from esper.cli.esper.app import application as esper
from esper.cli.esperd.app import application as esperd
from esper.planning.sample_machine import sample_text
from tests.support.hostile.conditions import CONDITIONS
from tests.support.node.node_process import BIN, RunningNode, running

ROOT = Path(__file__).resolve().parents[2]
PEER_ID = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
"""Nobody's: a peer that is not there."""
ADDRESS, TXID, MODEL_ID = "ADDRESS", "TXID", "MODEL_ID"
"""Stand for what is known when the node runs."""
LASTS = {"esperd node", "esperd mine"}
"""What runs until it is told to end, where nothing is in its way."""
WRITES_NOTHING = {"esperd serve"}
"""The same, without a folder that could be in its way."""
FATAL = {"read_only", "full", "few_descriptors", "homeless"}
"""What no node can run with; everything else it lives with."""
BUILT = ["--wallet", "demo", "--out", "b.unsigned"]
COMMANDS: dict[str, list[str]] = {
    "esper model import": [str(ROOT / "no-folder"), "out"],
    "esper model export": [str(ROOT / "no-folder"), "out"],
    "esper model show": ["genesis"],
    "esper model run": ["genesis", "--prompt", "Once", "--max-tokens", "2"],
    "esper model pack": [str(ROOT / "no-folder"), "--bank", "genesis"],
    "esper model check": [str(ROOT / "no-folder")],
    "esper model fetch": ["7"],
    "esper bench-model": ["genesis", "--suite", "own-choice", "--item", "0"],
    "esper plan": ["--model", "8b", "--tokens", "64", "--machine", "machine.json"],
    "esper prove": ["genesis", "--prompt", "Once", "--max-tokens", "1", "--out", "b.proof"],
    "esper verify": ["a.proof", "--model-id", MODEL_ID, "--tokenizer", "genesis"],
    "esper wallet new": ["--wallet", "fresh", "--network", "devnet"],
    "esper wallet restore": ["backup.json", "--wallet", "again"],
    "esper wallet list": [],
    "esper wallet import": ["--demo", "--network", "devnet"],
    "esper wallet watch": [ADDRESS, "--wallet", "watching", "--network", "devnet"],
    "esper wallet address": ["--new", "--wallet", "words"],
    "esper wallet label": [ADDRESS, "Jos\u00e9 \u4e2d", "--wallet", "words"],
    "esper wallet backup": ["b.json", "--words", "--wallet", "words"],
    "esper wallet scan": ["--wallet", "words"],
    "esper wallet password": ["--wallet", "words"],
    "esper balance": [],
    "esper history": [],
    "esper status": [],
    "esper send": [ADDRESS, "1"],
    "esper stake": ["1"],
    "esper unstake": ["1"],
    "esper credits": [],
    "esper credits send": [ADDRESS, "1"],
    "esper dao list": [],
    "esper dao show": [TXID],
    "esper dao settings": [],
    "esper dao voter": [ADDRESS],
    "esper dao propose": ["--set", "dust=20000", "--bond", "1", "--dry-run"],
    "esper dao vote": [TXID, "yes"],
    "esper dao delegate": ["none"],
    "esper dao rollback": [TXID, "--bond", "1", "--dry-run"],
    "esper dao ready": [TXID],
    "esper dao accuse": ["a.signed", "--wallet", "demo"],
    "esper dao report": ["genesis", "--suite", "own-choice", "--proposal", TXID, "--bond", "1"],
    "esper dao refute": [TXID, "genesis", "--suite", "own-choice"],
    "esper dao curate commit": ["--set", "a.jsonl", "--model", "genesis", "--bond", "1"],
    "esper dao curate list": [],
    "esper dao curate open": ["--model", "genesis"],
    "esper dao curate withdraw": [TXID],
    "esper console": [],
    "esper key new": ["--network", "devnet"],
    "esper key list": ["--network", "devnet"],
    "esper key revoke": ["abcdefgh", "--network", "devnet"],
    "esper key usage": ["--network", "devnet"],
    "esper key resume": ["--network", "devnet"],
    "esper call": ["Once", "--max-tokens", "2"],
    "esper proof": [TXID, "--out", "c.proof"],
    "esper tx": [TXID],
    "esper block": [],
    "esper models": [],
    "esper rpc": ["get_block", "height=0"],
    "esper cancel": [TXID],
    "esper bump": [TXID],
    "esper build send": [ADDRESS, "1", *BUILT],
    "esper build stake": ["1", *BUILT],
    "esper build unstake": ["1", *BUILT],
    "esper build credits": [ADDRESS, "1", *BUILT],
    "esper build call": ["Once", *BUILT],
    "esper sign": ["a.unsigned", "--out", "b.signed"],
    "esper submit": ["a.signed"],
    "esperd init": ["--network", "devnet"],
    "esperd node": ["--rpc-port", "0", "--port", "0"],
    "esperd mine": ["--rpc-port", "0", "--port", "0", "--threads", "1"],
    "esperd serve": ["--model", "genesis", "--port", "0", "--ollama-port", "0"],
    "esperd config": [],
    "esperd models": [],
    "esperd mining": [],
    "esperd pause": [],
    "esperd resume": [],
    "esperd threads": ["--search", "1"],
    "esperd farm status": [],
    "esperd generate": [],
    "esperd stop": [],
    "esperd peers": [],
    "esperd connect": [f"/ip4/127.0.0.1/tcp/1/p2p/{PEER_ID}"],
    "esperd disconnect": [PEER_ID],
    "esperd ban": [PEER_ID],
    "esperd unban": [PEER_ID],
    "esperd bans": [],
    "esperd resync": [],
    "esperd verify-chain": [],
    "esperd replay": ["1"],
    "esperd reindex": [],
    "esperd repair": [],
    "esperd demo-tamper": [],
}
"""Arguments that do something where the machine helps, or are refused for what they are."""
HARMLESS = {"closed_input", "closed_output", "closed_errors", "ascii_terminal", "reader_gone"}
"""What changes nothing of what a command does."""
SPENDING = {
    *("esper send", "esper stake", "esper unstake", "esper credits send", "esper call"),
    *(
        "esper dao delegate",
        "esper cancel",
        "esper bump",
        "esper submit",
        "esperd resume",
        "esperd threads",
    ),
    *("esperd disconnect", "esperd ban", "esperd unban"),
}
"""What comes out of these depends on those before."""
OF_THE_NODE = {"esperd stop"}
"""It would end the node that all others ask."""


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
    with running("node", datadir, "--network", "devnet") as found:
        yield found


@dataclass(frozen=True)
class Prepared:
    """A data directory with a chain, wallets and files, and the words that stand for others."""

    folder: Path
    known: dict[str, str]


@pytest.fixture(scope="module")
def prepared(node: RunningNode) -> Prepared:
    folder = node.datadir.parent / "template"

    def told(*words: str | Path) -> Any:
        done = subprocess.run(
            [BIN / words[0], *words[1:], "--json"],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder.parent,
            env=surroundings(folder, node),
        )
        return json.loads(done.stdout)

    told("esperd", "init", "--network", "devnet", "--datadir", folder)
    told("esper", "wallet", "new", "--wallet", "words", "--network", "devnet")
    listed = told("esper", "wallet", "list")["wallets"]
    address = next(one for one in listed if one["wallet"] == "words")["addresses"][0]["address"]
    told("esper", "wallet", "backup", folder / "backup.json", "--wallet", "words")
    unsigned, signed = folder / "a.unsigned", folder / "a.signed"
    told("esper", "build", "send", address, "2", "--out", unsigned, "--wallet", "demo")
    told("esper", "sign", unsigned, "--out", signed, "--wallet", "demo")
    (folder / "machine.json").write_text(sample_text())
    txid = told("esper", "send", address, "3", "--wallet", "demo")["txid"]
    proof = ("prove", "genesis", "--prompt", "Once", "--max-tokens", "1")
    model_id = told("esper", *proof, "--out", folder / "a.proof")["model_id"]
    return Prepared(folder, {ADDRESS: address, TXID: txid, MODEL_ID: model_id})


@pytest.fixture(scope="module")
def statuses() -> dict[str, int | None]:
    """Of each command on a machine as it is, which is the first that it is tried on."""
    return {}


def surroundings(folder: Path, node: RunningNode) -> dict[str, str]:
    """The environment of a command whose node is ``node``."""
    cookie = json.loads((node.datadir / "rpc.cookie").read_bytes())
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "ESPER_DATADIR": str(folder),
        "ESPER_PASSWORD": "demo",
        "ESPER_NEW_PASSWORD": "another",
        "ESPER_WALLET": "demo",
        "ESPER_RPC": cookie["url"],
        "ESPER_RPC_TOKEN": cookie["token"],
        **{name: os.environ[name] for name in ("ESPER_STALE_NATIVE",) if name in os.environ},
    }


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


def leftovers(folder: Path) -> set[str]:
    return {
        str(one.relative_to(folder))
        for one in folder.rglob("*")
        if one.name.endswith((".new", ".tmp", ".part")) or ".new." in one.name
    }


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - OF_THE_NODE))
def test_no_machine_gets_a_traceback(
    command: str,
    condition: str,
    node: RunningNode,
    prepared: Prepared,
    zygote: Callable[[dict[str, Any]], dict[str, Any]],
    statuses: dict[str, int | None],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(prepared.folder, folder)
    program, *words = command.split()
    environment = surroundings(folder, node)
    if command in LASTS:
        del environment["ESPER_RPC"], environment["ESPER_RPC_TOKEN"]
    runs = command in WRITES_NOTHING or (command in LASTS and condition not in FATAL)
    found = zygote(
        {
            "program": program,
            "arguments": [*words, *(prepared.known.get(one, one) for one in COMMANDS[command])],
            "condition": condition,
            "folder": str(folder),
            "stop_s": 1.5 if runs else None,
            "environment": environment,
        }
    )
    said, errors = found["said"]
    assert found["ended"], (said, errors)
    assert "Traceback" not in errors + said, errors
    assert "defect" not in errors, errors
    assert "Exception ignored" not in errors, errors
    assert found["status"] in (0, 1, 2, 130), (found["status"], errors)
    usual = statuses.setdefault(command, found["status"] if condition == "nothing" else None)
    if condition in HARMLESS and command not in SPENDING | LASTS | WRITES_NOTHING:
        assert found["status"] == usual, (found["status"], errors)
    if command in LASTS and condition in FATAL:
        assert found["status"] in (1, 2), (found["status"], errors)
    if found["status"] in (1, 2) and condition != "closed_errors":
        assert errors.strip(), "refused without a word"
    if condition == "full" and "No space" in errors:
        assert str(folder) in errors or re.search(r"\b[abc]\.\w+", errors), errors
    assert not leftovers(folder)


IMPORTED = ("typer", "esper.cli.lazy_commands", "esper.rpc.schema", "esper.primitives.params")
"""Modules whose import is interrupted: the first, and some that many commands need."""


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_while_modules_are_imported_is_silent(command: str, tmp_path: Path) -> None:
    program, *words = command.split()
    # A shell that starts the tests in the background has ctrl-C ignored: no command would end.
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
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
