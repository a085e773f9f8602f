"""The wallet's commands with a fake node behind them and a scripted terminal before them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from esper.cli.esper import environment as wallet_machine
from esper.cli.esper.app import application
from esper.crypto.signing import KeyPair
from esper.wallet.derivation import derived_key
from tests.support.vm_world import COIN, World, funded
from tests.support.wallet.fake_wallet_node import FakeNode, believing
from tests.support.wallet.wallet_cases import CHEAP, ENTROPY, PASSWORD


def own_key(index: int = 0) -> KeyPair:
    """A key of the wallet that ``Console.wallet`` makes."""
    return derived_key(ENTROPY, "regtest", 0, index)


@dataclass
class Console:
    """Runs commands against one data directory and one node."""

    datadir: Path
    node: FakeNode
    terminal: bool = False
    """Whether somebody is there to ask."""
    typed: list[str] = field(default_factory=list)
    """What they type, question by question; yes is ``y``."""
    variables: dict[str, str] = field(default_factory=lambda: {"ESPER_PASSWORD": PASSWORD})
    entropy: bytes = ENTROPY
    """What the machine's randomness gives where 32 bytes are drawn."""
    drawn: int = 0
    seconds: float = 0.0
    """What its clock shows: it moves while a command sleeps."""
    output: list[str] = field(default_factory=list)
    """All that was ever printed, both streams."""

    def randomness(self, size: int) -> bytes:
        self.drawn += 1
        return self.entropy if size == 32 else self.drawn.to_bytes(size, "big")

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def run(self, *arguments: Any, status: int = 0, given: str | bytes = "") -> str:
        """Standard output of a command."""
        return self.both(*arguments, status=status, given=given)[0]

    def error(self, *arguments: Any, status: int = 1) -> str:
        """Standard error of a command that is refused."""
        return self.both(*arguments, status=status)[1]

    def both(self, *arguments: Any, status: int = 0, given: str | bytes = "") -> tuple[str, str]:
        result = CliRunner().invoke(
            application(),
            [str(argument) for argument in arguments],
            input=given,
            env={"ESPER_DATADIR": str(self.datadir)},
        )
        self.output += [result.stdout, result.stderr, repr(result.exception)]
        assert result.exit_code == status, result.output
        return result.stdout, result.stderr

    def json(self, *arguments: Any) -> Any:
        """The one object that a command prints with --json, and nothing else anywhere."""
        out, err = self.both(*arguments, "--json")
        assert err == ""
        assert out.count("\n") == 1
        return json.loads(out)

    def wallet(self, name: str = "main") -> str:
        """Make the wallet of ``own_key``; its first address."""
        found = self.json("wallet", "new", "--wallet", name, "--network", "regtest")
        address: str = found["addresses"][0]["address"]
        return address

    def answer(self, question: str) -> str:
        assert self.terminal, f"nobody is there to answer {question!r}"
        return self.typed.pop(0)


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Console:
    world = World(state=funded([(own_key(), 1000 * COIN)]), checked=True)
    found = Console(tmp_path / "d", FakeNode(world))
    monkeypatch.setattr(wallet_machine, "connect", lambda _: found.node)
    monkeypatch.setattr(wallet_machine, "randomness", found.randomness)
    monkeypatch.setattr(wallet_machine, "sleep", found.sleep)
    monkeypatch.setattr(wallet_machine, "now", lambda: found.seconds)
    monkeypatch.setattr(wallet_machine, "verify_proof", believing)
    # The fake node has tokens of its own.
    monkeypatch.setattr(wallet_machine, "model_text", lambda _: None)
    monkeypatch.setattr(wallet_machine, "cost", CHEAP)
    monkeypatch.setattr(wallet_machine, "is_terminal", lambda: found.terminal)
    monkeypatch.setattr(wallet_machine, "variable", lambda name: found.variables.get(name))
    monkeypatch.setattr(wallet_machine, "ask_hidden", found.answer)
    monkeypatch.setattr(wallet_machine, "ask_line", found.answer)
    monkeypatch.setattr(wallet_machine, "ask_yes", lambda text: found.answer(text) == "y")
    return found
