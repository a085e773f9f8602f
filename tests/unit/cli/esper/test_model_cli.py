from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esper.cli.esper.models.model import app
from tests.spec.random_checkpoint import random_checkpoint, write_checkpoint, write_tokenizer

RUNNER = CliRunner()
NATIVE = find_spec("esper._native") is not None
TEXT = "thequickbrownfoxjumpsoverthelazydog" * 12


@pytest.fixture
def checkpoint_folder(tmp_path: Path) -> Path:
    """A Hugging Face folder of a random model, and a text beside it."""
    folder = tmp_path / "hf"
    folder.mkdir()
    write_checkpoint(folder, random_checkpoint(31))
    write_tokenizer(folder, 40)
    (tmp_path / "text").write_text(TEXT)
    return folder


def test_export_show_and_export_again(checkpoint_folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = ["export", str(checkpoint_folder)]
    text = ["--text", str(tmp_path / "text"), "--gate-bits", "12"]
    exported = RUNNER.invoke(app, [*arguments, str(first), *text])
    assert exported.exit_code == 0, exported.output
    assert "bits per byte" in exported.stdout
    assert {path.name for path in first.iterdir()} == {
        *("g16.safetensors", "calibration.json", "config.json", "tokenizer.json"),
    }
    saved = ["--calibration", str(first / "calibration.json"), "--gate-bits", "12"]
    again = RUNNER.invoke(app, [*arguments, str(second), *saved])
    assert again.exit_code == 0, again.output
    assert (first / "g16.safetensors").read_bytes() == (second / "g16.safetensors").read_bytes()
    shown = RUNNER.invoke(app, ["show", str(first), "--json"])
    fields = json.loads(shown.stdout)
    assert fields["shape"]["vocab"] == 40
    assert fields["integers_hash"] in exported.stdout
    assert fields["weights"] == 2 * (3 * 16 * 24 + 2 * 16 * 16 + 2 * 8 * 16) + 40 * 16
    assert all(bound["value"] <= bound["limit"] for bound in fields["bounds"])
    plain = RUNNER.invoke(app, ["show", str(first)])
    assert fields["integers_hash"] in plain.stdout


def test_export_into_the_same_folder(checkpoint_folder: Path, tmp_path: Path) -> None:
    folder = str(checkpoint_folder)
    first = RUNNER.invoke(app, ["export", folder, folder, "--text", str(tmp_path / "text")])
    assert first.exit_code == 0, first.output
    integers = (checkpoint_folder / "g16.safetensors").read_bytes()
    assert RUNNER.invoke(app, ["export", folder, folder]).exit_code == 0
    assert (checkpoint_folder / "g16.safetensors").read_bytes() == integers


def test_refusals_leave_status_one_and_a_reason(checkpoint_folder: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "out")
    for arguments, reason in (
        (["export", str(tmp_path / "absent"), target], "config.json"),
        (["export", str(checkpoint_folder), target], "calibration.json"),
        (["export", str(checkpoint_folder), target, "--text", str(tmp_path / "no")], "no"),
        (["show", str(tmp_path / "absent")], "g16.safetensors"),
        (["run", str(tmp_path / "absent"), "--prompt", "a", "--max-tokens", "1"], "_native"),
    ):
        result = RUNNER.invoke(app, arguments)
        expected = "g16.safetensors" if reason == "_native" and NATIVE else reason
        assert result.exit_code == 1, arguments
        assert expected in result.stderr
        assert not result.stdout
    assert not (tmp_path / "out").exists()


def test_misuse_leaves_status_two(checkpoint_folder: Path, tmp_path: Path) -> None:
    for arguments in (
        ["export", str(checkpoint_folder), str(tmp_path / "out"), "--gate-bits", "14"],
        ["export", str(checkpoint_folder)],
        ["run", str(checkpoint_folder)],
        ["run", str(checkpoint_folder), "--prompt", "a", "--max-tokens", "0"],
    ):
        assert RUNNER.invoke(app, arguments).exit_code == 2, arguments


@pytest.mark.skipif(not NATIVE, reason="needs the compiled extension: run `make build`")
def test_run_answers(checkpoint_folder: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "out")
    exported = RUNNER.invoke(
        app, ["export", str(checkpoint_folder), target, "--text", str(tmp_path / "text")]
    )
    assert exported.exit_code == 0, exported.output
    run = ["run", target, "--prompt", "the", "--max-tokens", "5"]
    plain, as_json = RUNNER.invoke(app, run), RUNNER.invoke(app, [*run, "--json"])
    assert plain.exit_code == as_json.exit_code == 0
    fields = json.loads(as_json.stdout)
    assert plain.stdout == "the" + fields["text"] + "\n"
    assert fields["prompt_tokens"] == [1, 22, 10, 7]
    assert 1 <= len(fields["answer_tokens"]) <= 5
