"""Every command that finds the cookie of a killed node says that no node is running."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from esper.cli.esper import app
from esper.cli.esperd import app as esperd
from esper.primitives.networks import REGTEST
from esper.rpc.auth import Cookie, write_cookie
from esper.wallet.demo import demo_wallet
from tests.support.node.esperd_world import restore_logs
from tests.support.vm_world import BOB
from tests.support.wallet.wallet_cases import counted

RECEIVER = BOB.address.to_text("resp")
TXID = "ab" * 64
WALLET = (
    ("balance",),
    ("history",),
    ("status",),
    ("credits",),
    ("models",),
    ("block", "1"),
    ("tx", TXID),
    ("proof", TXID),
    ("send", RECEIVER, "1"),
    ("stake", "1"),
    ("unstake", "1"),
    ("call", "Once"),
    ("cancel", TXID),
    ("bump", TXID),
    ("wallet", "scan"),
)
STEERING = (("mining",), ("pause",), ("resume",), ("threads", "--search", "1"), ("stop",))


@pytest.fixture
def datadir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a node that was killed: its cookie is there, and nobody listens."""
    restore_logs(monkeypatch)
    for name in ("ESPER_RPC", "ESPER_RPC_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ESPER_DATADIR", str(tmp_path))
    monkeypatch.setenv("ESPER_PASSWORD", "demo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        write_cookie(tmp_path, Cookie(f"http://127.0.0.1:{free.getsockname()[1]}/", "ab" * 32))
    demo_wallet(tmp_path, REGTEST, counted())
    return tmp_path


@pytest.mark.parametrize("command", WALLET, ids=" ".join)
def test_wallet_commands(datadir: Path, command: tuple[str, ...]) -> None:
    check(datadir, app.application(), command)


@pytest.mark.parametrize("command", STEERING, ids=" ".join)
def test_steering_commands(datadir: Path, command: tuple[str, ...]) -> None:
    check(datadir, esperd.application(), command)


def check(datadir: Path, program: typer.Typer, command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(program, list(command))
    assert done.exit_code == 1, done.output
    assert f"the node that wrote {datadir / 'rpc.cookie'} is not running" in done.stderr
    assert "nobody answers at http://127.0.0.1:" in done.stderr
    assert "token" not in done.output
