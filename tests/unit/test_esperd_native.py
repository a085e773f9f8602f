"""The three commands of docs/demo-tamper.md on the genesis model, engine and prover themselves."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from esper.cli import esperd

MODEL = Path(__file__).parents[2] / "genesis" / "model" / "g16.safetensors"
pytestmark = pytest.mark.skipif(
    not MODEL.exists(), reason="genesis/model has no exported integer model"
)


def test_mine_verify_and_refuse(tmp_path: Path) -> None:
    runner = CliRunner()
    folder = ["--datadir", str(tmp_path / "d")]
    mined = runner.invoke(
        esperd.app, ["mine", "--network", "regtest", "--blocks", "2", *folder, "--threads", "2"]
    )
    assert mined.exit_code == 0, mined.output
    assert "block 2 " in mined.output
    verified = runner.invoke(esperd.app, ["verify-chain", *folder])
    assert verified.exit_code == 0, verified.output
    assert "2 blocks valid" in verified.output
    refused = runner.invoke(esperd.app, ["demo-tamper", *folder])
    assert refused.exit_code == 0, refused.output
    lines = [line.strip() for line in refused.output.splitlines()]
    assert sum(line.startswith("refused: ") for line in lines) == 10
    assert "ProofViolation" in refused.output
