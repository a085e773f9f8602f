"""``esperd`` on a fake model and fake proofs, searched and proven on the node's own event loop."""

import logging
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from esper.cli.esperd import app as esperd
from esper.cli.esperd import node_commands, offline
from esper.primitives import networks
from esper.primitives.params import NetworkParameters
from tests.support.fake_work import BANK, FakeVerifier
from tests.support.node.fake_workers import FakeProverPort, FakeSearcher

RUNNER = CliRunner()


class FakeText:
    """A tokenizer that knows lengths alone."""

    def text(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        return f"{len(prompt)} tokens answered by {len(answer)}"


def use_fakes(monkeypatch: pytest.MonkeyPatch, *known: NetworkParameters) -> None:
    """Let the commands know these networks, and work with fakes."""
    restore_logs(monkeypatch)
    monkeypatch.setattr(networks, "NETWORKS", {params.name: params for params in known})
    model = known[0].model

    def of(settings: Any) -> NetworkParameters:
        return networks.network(settings.network)

    monkeypatch.setattr(node_commands, "ModelText", lambda *_: FakeText())
    monkeypatch.setattr(node_commands, "read_bank", lambda _: SimpleNamespace(prompts=BANK))
    monkeypatch.setattr(
        node_commands,
        "ProcessSearcher",
        lambda settings: FakeSearcher(of(settings), node_commands.now_ms),
    )
    monkeypatch.setattr(
        node_commands, "ProcessProver", lambda settings: FakeProverPort(of(settings))
    )
    for module in (offline, node_commands):
        monkeypatch.setattr(module, "NativeVerifier", lambda: FakeVerifier(model))


def restore_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command send logs where it wants; afterwards they go where they went before."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)


def run(*arguments: Any, status: int = 0) -> str:
    """What a command tells, log lines included; it must end with this status."""
    result = RUNNER.invoke(esperd.application(), [str(argument) for argument in arguments])
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def mine(datadir: Path, *more: Any, blocks: int = 3, status: int = 0) -> str:
    """Mine on regtest, with the RPC on any port."""
    return run(
        "mine", "--network", "regtest", "--blocks", blocks, "--datadir", datadir, "--rpc-port", 0,
        "--port", 0, *more, status=status,
    )  # fmt: skip


def said(told: str) -> list[str]:
    """The messages of log lines, without time and subject."""
    return [line[30:] for line in told.splitlines()]
