"""`esperd replay` on the genesis model: blocks are made again, and a broken machine is located."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esper.cli.esperd import app as esperd
from esper.cli.esperd import replay as command
from esper.model import load_model
from esper.model.loaded import LoadedModel
from esper.primitives.ids import ModelId
from tests.support.node.esperd_world import restore_logs
from tests.support.node.faulty_serving import one_weight_off

GENESIS = Path(__file__).parents[4] / "genesis" / "model"


def test_a_block_is_made_again_and_a_broken_machine_located(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore_logs(monkeypatch)
    runner = CliRunner()
    folder = ["--datadir", str(tmp_path / "d")]
    threads = ["--threads", "2", "--prove-threads", "2"]
    ports = ["--rpc-port", "0", "--port", "0"]

    def run(*words: str) -> tuple[int, str]:
        result = runner.invoke(esperd.application(), [*words, *folder])
        return result.exit_code, result.output

    mined, said = run("mine", "--network", "regtest", "--blocks", "1", *threads, *ports)
    assert mined == 0, said
    sound = str(tmp_path / "sound.trace")
    status, said = run("replay", "1", "--trace", sound)
    assert status == 0, said
    assert "the work of block 1" in said
    assert "the same, bit for bit" in said
    status, said = run("replay", "1", "--against", sound, "--json")
    assert status == 0, said
    document = json.loads(said)
    assert document["same"]
    assert document["against"] == {"same": True, "difference": None}

    # Misused: no such block, no such call, neither, a file that is there.
    for words, reason in (
        (("2",), "the chain ends at 1"),
        (("0" * 128,), "is in no block"),
        (("abc",), "no height and no txid"),
        (("1", "--trace", sound), "File exists"),
    ):
        status, said = run("replay", *words)
        assert status == 2, said
        assert reason in " ".join(said.replace("│", " ").split())

    broken = load_model(one_weight_off(GENESIS, tmp_path / "broken"))

    def faulty(model_id: ModelId, datadir: Path | None) -> LoadedModel:
        return broken

    monkeypatch.setattr(command, "_model", faulty)
    status, said = run("replay", "1", "--against", sound)
    assert status == 1, said
    assert "DIFFERS at token 0, position " in said
    assert "DIFFERS from the trace first in layer 0 at position" in said
    status, said = run("replay", "1", "--json")
    assert status == 1
    difference = json.loads(said)["difference"]
    assert difference["recorded"] != difference["computed"]
