"""``make devnet``: what each node is told, and how they start, fail and stop together."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from esper.rpc.examples import NETWORK, PEER_ID
from tests.support.command_lines import check_command

pytestmark = pytest.mark.serial

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "devnet.py"
STANDIN = ROOT / "tests" / "support" / "node" / "standin_esperd.py"
ADDRESS = f"/ip4/127.0.0.1/tcp/29333/p2p/{PEER_ID}"


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("devnet", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["devnet"] = module
    spec.loader.exec_module(module)
    return module


DEVNET = loaded()


def planned(folder: Path, nodes: int = 3, miners: int = 2, **ports: int) -> list[Any]:
    given = {"port": 29333, "rpc_port": 9334, "threads": 1, **ports}
    found: list[Any] = DEVNET.plans(folder, nodes, miners, **given)
    return found


def test_nodes_are_told_what_they_do(tmp_path: Path) -> None:
    found = planned(tmp_path)
    for one in found:
        check_command(["esperd", *one.arguments])
    assert [one.arguments[0] for one in found] == ["mine", "mine", "node"]
    assert [one.name for one in found] == ["node1", "node2", "node3"]
    assert ["--alone" in one.arguments for one in found] == [True, False, False]
    assert ["--archive" in one.arguments for one in found] == [True, False, False]
    assert found[0].does == f"mines, keeps every proof, data in {tmp_path / 'node1'}"
    assert found[2].does == f"keeps the chain, connects to node1, data in {tmp_path / 'node3'}"
    assert len({one.datadir for one in found}) == 3


def ports(plan: Any) -> tuple[str, str]:
    words = plan.arguments
    return words[words.index("--port") + 1], words[words.index("--rpc-port") + 1]


def test_ports_are_fixed_or_free(tmp_path: Path) -> None:
    fixed = [("29333", "9334"), ("29334", "0"), ("29335", "0")]
    assert [ports(one) for one in planned(tmp_path)] == fixed
    free = planned(tmp_path, port=0, rpc_port=0)
    assert [ports(one) for one in free] == [("0", "0")] * 3


class Run:
    """A network of stand-ins, whose lines may make something happen."""

    def __init__(self, folder: Path, nodes: int = 3, address: Any = lambda _: ADDRESS) -> None:
        self.said: list[str] = []
        self.reactions: dict[str, Callable[[], None]] = {}
        """What happens once, when a line holds a text."""
        command = [sys.executable, str(STANDIN)]
        self.devnet = DEVNET.Devnet(planned(folder, nodes), self._say, command, address)

    def _say(self, line: str) -> None:
        self.said.append(line)
        for text in [text for text in self.reactions if text in line]:
            self.reactions.pop(text)()

    def interrupt(self) -> None:
        self.devnet.events.put(DEVNET.Signalled())

    def interrupt_after(self, *texts: str) -> None:
        """Once lines have held all of these."""
        wanted = set(texts)

        def held(text: str) -> None:
            wanted.discard(text)
            if not wanted:
                self.interrupt()

        self.reactions |= {text: partial(held, text) for text in texts}

    def told(self, name: str) -> list[str]:
        return [line.partition(" | ")[2] for line in self.said if line.startswith(f"{name} | ")]


def test_all_start_one_after_the_first_and_stop_together(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.interrupt_after("node1 | says", "node2 | says", "node3 | says")
    assert run.devnet.run() == 0
    assert "stopping 3 nodes; ctrl-C again kills" in run.said
    for name in ("node1", "node2", "node3"):
        told = run.told(name)
        assert told[0].endswith(f"data in {tmp_path / name}")
        assert told[1].startswith("runs ")
        assert told[2:] == ["says \u00e9", "closes after SIGINT", "stopped"]
    assert "--connect" not in run.told("node1")[1]
    for name in ("node2", "node3"):
        assert run.told(name)[1].endswith(f"--connect {ADDRESS}")


def test_a_node_that_dies_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "node2.behave").write_text("dies 3")
    run = Run(tmp_path)
    run.interrupt_after("node1 | says", "node2 | ended", "node3 | says")
    assert run.devnet.run() == 1
    assert "node2 | ended by itself, status 3; 2 nodes left" in run.said
    assert run.told("node1")[-1] == run.told("node3")[-1] == "stopped"


def test_all_that_die_are_the_end(tmp_path: Path) -> None:
    (tmp_path / "node1.behave").write_text("dies 2")
    run = Run(tmp_path, address=lambda _: None)
    assert run.devnet.run() == 1
    assert run.said[-1] == "node1 | ended by itself, status 2; 0 nodes left"
    assert run.told("node2") == []


def test_a_second_interrupt_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DEVNET, "BOUNCE_S", 0.0)
    (tmp_path / "node2.behave").write_text("deaf")
    run = Run(tmp_path, nodes=2)
    run.reactions = {"node2 | says": run.interrupt, "node1 | stopped": run.interrupt}
    assert run.devnet.run() == 0
    assert run.said[-1] == "node2 | ended, killed by SIGKILL"


def test_two_interrupts_at_once_are_one(tmp_path: Path) -> None:
    run = Run(tmp_path, nodes=1)

    def twice() -> None:
        run.interrupt()
        run.interrupt()

    run.reactions["node1 | says"] = twice
    assert run.devnet.run() == 0
    assert run.said[-1] == "node1 | stopped"


def test_a_first_node_that_nobody_can_dial_is_the_end(tmp_path: Path) -> None:
    def nowhere(_: Path) -> str | None:
        raise RuntimeError("it lets nobody in")

    run = Run(tmp_path, address=nowhere)
    assert run.devnet.run() == 1
    assert "node1 cannot be dialled: it lets nobody in; the others are not started" in run.said
    # Interrupted while its interpreter starts, it ends with a status.
    assert run.told("node1")[-1].startswith(("stopped", "ended, "))
    assert run.told("node2") == []


def test_nodes_of_a_script_in_the_background_hear_an_interrupt(tmp_path: Path) -> None:
    told: list[str] = []
    code = "import signal; print(signal.getsignal(signal.SIGINT) is not signal.SIG_IGN)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        command = [sys.executable, "-c", code]
        assert DEVNET.Devnet(planned(tmp_path, 1), told.append, command).run() == 1
    finally:
        signal.signal(signal.SIGINT, before)
    assert "node1 | True" in told


def test_a_first_node_that_stays_silent_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DEVNET, "START_S", 0.0)
    run = Run(tmp_path, address=lambda _: None)
    assert run.devnet.run() == 1
    assert "node1 does not say within 0 s where it is; the others are not started" in run.said


def test_a_network_of_one_asks_nobody(tmp_path: Path) -> None:
    run = Run(tmp_path, nodes=1, address=lambda _: pytest.fail("asked"))
    run.reactions["node1 | says"] = run.interrupt
    assert run.devnet.run() == 0
    assert "stopping 1 node; ctrl-C again kills" in run.said


def script(folder: Path, *more: str) -> list[str]:
    starter = folder / "esperd"
    starter.write_text(f'#!/bin/sh\nexec {sys.executable} {STANDIN} "$@"\n')
    starter.chmod(0o755)
    command = [sys.executable, str(SCRIPT), "--folder", str(folder), "--nodes", "2"]
    return [*command, "--esperd", str(starter), *more]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_script_asks_the_first_node_and_takes_all_with_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "node1.behave").write_text("serves")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        script(tmp_path), stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("node2 | says"):
                process.send_signal(number)
        status = process.wait()
    [started] = [line for line in lines if line.startswith("node2 | runs ")]
    where = NETWORK.listening.replace(":", "/tcp/")
    assert started.endswith(f"--connect /ip4/{where}/p2p/{NETWORK.peer_id}")
    if number == signal.SIGINT:
        assert status == 0
        assert {"node1 | stopped", "node2 | stopped"} <= set(lines)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--nodes", "0"], "--nodes 0: name 1 to 32"),
        (["--nodes", "33"], "--nodes 33: name 1 to 32"),
        (["--miners", "0"], "--miners 0: node1 mines always"),
    ],
)
def test_numbers_that_cannot_be_meant(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        DEVNET.main(given)
    assert told in capsys.readouterr().err


def test_the_folder_of_a_single_node_is_not_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chain.json").write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        DEVNET.main(["--folder", str(tmp_path)])
    assert f"move what is in it to {tmp_path / 'node1'}" in capsys.readouterr().err


def test_make_runs_the_script() -> None:
    told = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "$(BIN)/python scripts/devnet.py --nodes $(NODES) --port $(DEVNET_PORT) \\\n" in told
    assert "\nNODES ?= 3\n" in told
