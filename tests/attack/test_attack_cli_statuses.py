"""Statuses that would hide what became of a payment: sent though it says not, or the reverse."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from esper.rpc import schema as s
from tests.support.vm_world import BOB
from tests.support.wallet.wallet_console import Console, console
from tests.unit.cli.esper.test_wallet_cli_money import earning

__all__ = ["console"]

OTHER = BOB.address.to_text("resp")
START = "from esper.cli.program import start; start('esper')"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_that_nobody_reads_is_a_refusal(tmp_path: Path, as_json: bool) -> None:
    """``esper send … 2>&1 | head -1`` with pipefail said 0, and nothing was sent."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", START, "send", OTHER, "1", "--datadir", str(tmp_path)]
    command += ["--json"] if as_json else []
    found = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, check=False
    )
    os.close(writing)
    assert found.returncode == 2


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_while_a_payment_is_handed_in_tells_of_it(console: Console, as_json: bool) -> None:
    """Whoever reads nothing believes that nothing was sent, and sends it again."""
    console.wallet()
    honest = console.node.submit

    def interrupted(params: s.SubmitParams) -> s.Submitted:
        honest(params)
        raise KeyboardInterrupt

    console.node.submit = interrupted  # type: ignore[method-assign]
    command = ["send", OTHER, "1", "--yes", *(["--json"] if as_json else [])]
    told = console.error(*command, status=130)
    (txid,) = console.node.pending
    if as_json:
        assert json.loads(told)["error"]["data"] == {"txid": txid}
    assert f"esper tx {txid}" in told


@pytest.mark.parametrize(
    "command",
    [("send", OTHER, "1", "--yes"), ("stake", "900", "--yes", "--json")],
)
def test_a_payment_whose_id_cannot_be_written_was_sent(
    console: Console, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``esper send … > FILE`` on a full disk said that there is no room, and nothing more."""
    console.wallet()
    usual = typer.echo

    def full(message: Any = None, *, err: bool = False) -> None:
        if not err:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        usual(message, err=True)

    monkeypatch.setattr(typer, "echo", full)
    told = console.error(*command)
    (txid,) = console.node.pending
    assert "was handed in all the same" in told
    assert f"esper tx {txid}" in told


def test_ctrl_c_while_a_proof_is_checked_tells_of_the_call(console: Console) -> None:
    console.wallet()
    earning(console)

    def interrupted(params: s.ProofParams) -> s.ProofReply:
        raise KeyboardInterrupt

    console.node.proof = interrupted  # type: ignore[method-assign]
    told = console.error("call", "Hi", "--max-tokens", "4", "--bid", "20", "--json", status=130)
    txid = json.loads(told)["error"]["data"]["txid"]
    assert txid in console.node.confirmed
