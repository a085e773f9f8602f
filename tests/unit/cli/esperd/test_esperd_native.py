"""The three commands of docs/demo-tamper.md on the genesis model, engine and prover themselves."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from esper.cli.esperd import app as esperd
from tests.support.node.esperd_world import restore_logs

MODEL = Path(__file__).parents[4] / "genesis" / "model" / "g16.safetensors"


def test_mine_verify_and_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore_logs(monkeypatch)
    runner = CliRunner()
    folder = ["--datadir", str(tmp_path / "d")]
    threads = ["--threads", "2", "--prove-threads", "2"]
    ports = ["--rpc-port", "0", "--port", "0"]
    mined = runner.invoke(
        esperd.application(),
        ["mine", "--network", "regtest", "--blocks", "2", *folder, *threads, *ports],
    )
    assert mined.exit_code == 0, mined.output
    assert "block 2 " in mined.output
    verified = runner.invoke(esperd.application(), ["verify-chain", *folder])
    assert verified.exit_code == 0, verified.output
    assert "2 blocks valid" in verified.output
    refused = runner.invoke(esperd.application(), ["demo-tamper", *folder])
    assert refused.exit_code == 0, refused.output
    lines = [line.strip() for line in refused.output.splitlines()]
    assert sum(line.startswith("refused: ") for line in lines) == 10
    assert "ProofViolation" in refused.output
