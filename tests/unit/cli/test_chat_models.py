"""From a GGUF file of a chat model to its answer, by the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esper.cli.esper.app import application
from esper.cli.esper.models.model import app
from esper.model import load_model
from esper.model.errors import TemplateRefusedError
from esper.model.templates.chat_tokens import chat_tokens, end_tokens
from tests.spec.random_checkpoint import random_checkpoint
from tests.support.gguf_files import TOKENS, write_gguf
from tests.support.model_folders import change

RUNNER = CliRunner()
TEXT = "the quick brown fox jumps over the lazy dog\n" * 40
BOS, EOS = 1, 2


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    (folder / "text").write_text(TEXT)
    return write_gguf(folder / "a.gguf", random_checkpoint(31))


@pytest.fixture(scope="module")
def model(gguf: Path) -> Path:
    target = gguf.parent / "model"
    text = str(gguf.parent / "text")
    done = RUNNER.invoke(app, ["export", str(gguf), str(target), "--text", text])
    assert done.exit_code == 0, done.output
    return target


def test_a_gguf_file_is_imported_and_exported(gguf: Path, model: Path, tmp_path: Path) -> None:
    imported = RUNNER.invoke(app, ["import", str(gguf), str(tmp_path / "hf"), "--json"])
    assert imported.exit_code == 0, imported.output
    fields = json.loads(imported.stdout)
    assert fields["chat_template"] is True
    assert fields["shape"]["vocab"] == 40
    saved = ["--calibration", str(model / "calibration.json")]
    done = RUNNER.invoke(app, ["export", str(tmp_path / "hf"), str(tmp_path / "out"), *saved])
    assert done.exit_code == 0, done.output
    for name in ("g16.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (model / name).read_bytes()
    assert not list(model.glob(".export-*"))
    again = RUNNER.invoke(app, ["import", str(gguf), str(tmp_path / "hf")])
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


def test_an_import_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF\3\0\0\0")
    for command in ("import", "export"):
        done = RUNNER.invoke(app, [command, str(tmp_path / "a.gguf"), str(tmp_path / "out")])
        assert done.exit_code == 1
        assert "a.gguf" in done.stderr
        assert not (tmp_path / "out").exists()


def test_feedback_and_the_report(gguf: Path, tmp_path: Path) -> None:
    text = ["--text", str(gguf.parent / "text"), "--rounding", "feedback"]
    source = ["export", str(gguf)]
    told = RUNNER.invoke(app, [*source, str(tmp_path / "a"), *text, "--report"])
    assert told.exit_code == 0, told.output
    assert "10 fraction bits: all updates fit 20 bits" in told.stdout
    assert "q k v o gate up down" in told.stdout
    as_json = RUNNER.invoke(app, [*source, str(tmp_path / "b"), *text, "--json"])
    chosen = json.loads(as_json.stdout)["chosen"]
    assert (chosen["frac_bits"], len(chosen["layers"])) == (10, 2)
    for layer in chosen["layers"]:
        assert layer["update_room"] >= 4
        assert layer["largest_product_bits"] <= 62
        assert (layer["z_bits"], layer["why"]) == (16, "")
    assert (tmp_path / "a" / "g16.safetensors").read_bytes() == (
        tmp_path / "b" / "g16.safetensors"
    ).read_bytes()


def test_feedback_needs_a_text(gguf: Path, model: Path, tmp_path: Path) -> None:
    saved = ["--calibration", str(model / "calibration.json"), "--rounding", "feedback"]
    done = RUNNER.invoke(app, ["export", str(gguf), str(tmp_path / "out"), *saved])
    assert done.exit_code == 1
    assert "--text" in done.stderr
    wrong = RUNNER.invoke(app, ["export", str(gguf), str(tmp_path / "out"), "--rounding", "up"])
    assert wrong.exit_code == 2


def test_a_chat_is_laid_out_with_its_markers(model: Path) -> None:
    spelled = ["--system", "b", "--prompt", "a<|im_end|>", "--json"]
    done = RUNNER.invoke(app, ["run", str(model), "--chat", *spelled])
    assert done.exit_code == 0, done.output
    ids = json.loads(done.stdout)["prompt_tokens"]
    assert (ids.count(BOS), ids.count(EOS)) == (3, 2)
    assert TOKENS.index("|") in ids
    done = RUNNER.invoke(app, ["run", str(model), "--chat", "--prompt", "the", "--json"])
    assert done.exit_code == 0, done.output
    fields = json.loads(done.stdout)
    a, newline = TOKENS.index("a"), TOKENS.index("Ċ")
    ids = fields["prompt_tokens"]
    assert ids[0] == BOS
    assert ids.count(BOS) == 2
    assert ids[ids.index(newline) + 1] == TOKENS.index("the")
    assert ids.count(EOS) == 1
    assert ids[-1] == newline
    assert a in ids
    assert 1 <= len(fields["answer_tokens"]) <= 256
    ends = end_tokens(model, 40, EOS)
    assert ends == {0, BOS, EOS}
    assert not ends.intersection(fields["answer_tokens"][:-1])


def test_a_chat_streams_what_it_tells_as_json(model: Path) -> None:
    run = ["run", str(model), "--chat", "--prompt", "the", "--max-tokens", "9"]
    plain, as_json = RUNNER.invoke(app, run), RUNNER.invoke(app, [*run, "--json"])
    fields = json.loads(as_json.stdout)
    assert plain.stdout == fields["text"] + "\n"
    assert len(fields["answer_tokens"]) <= 9
    loaded = load_model(model)
    generated = loaded.generate(fields["prompt_tokens"], 9)
    assert fields["answer_tokens"] == generated[: len(fields["answer_tokens"])]


def test_system_is_for_chats(model: Path) -> None:
    done = RUNNER.invoke(app, ["run", str(model), "--prompt", "a", "--system", "b"])
    assert done.exit_code == 2
    assert "--chat" in done.stderr


def proving(*words: str | Path) -> list[str]:
    return ["prove", *map(str, words), "--json"]


def test_an_answer_of_a_chat_is_proven(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--chat", "--system", "b", "--prompt", "the", "--max-tokens", "5"]
    ran = json.loads(RUNNER.invoke(app, ["run", str(model), *asked, "--json"]).stdout)
    out = tmp_path / "a.proof"
    command = proving(model, *asked, "--out", out)
    done = RUNNER.invoke(application(command), command)
    assert done.exit_code == 0, done.output
    fields = json.loads(done.stdout)
    (sequence,) = fields["sequences"]
    assert sequence["prompt"] == ran["prompt_tokens"]
    # A proof's answer ends at EOS alone: what a reader takes for its end may come before.
    assert sequence["answer"][: len(ran["answer_tokens"])] == ran["answer_tokens"]
    check = ["verify", str(out), "--model-id", fields["model_id"], "--json"]
    checked = RUNNER.invoke(application(check), check)
    assert json.loads(checked.stdout)["sequences"][0]["answer"] == sequence["answer"]

    monkeypatch.setattr("esper.prover.free_memory.free_memory", lambda: 1 << 20)
    command = proving(model, *asked, "--out", tmp_path / "b.proof")
    done = RUNNER.invoke(application(command), command)
    assert done.exit_code == 1
    error = json.loads(done.stderr)["error"]
    assert error["name"] == "TooLittleMemoryError"
    assert "--any-memory" in error["message"]
    assert not (tmp_path / "b.proof").exists()
    command = [*command, "--any-memory"]
    assert RUNNER.invoke(application(command), command).exit_code == 0
    command = proving(model, "--prompt", "a", "--system", "b", "--out", tmp_path / "c.proof")
    assert RUNNER.invoke(application(command), command).exit_code == 2


def test_a_model_without_template_says_so(model: Path, tmp_path: Path) -> None:
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    change(tmp_path / "tokenizer_config.json", chat_template=None)
    done = RUNNER.invoke(app, ["run", str(tmp_path), "--chat", "--prompt", "a"])
    assert done.exit_code == 1
    assert "no chat template" in done.stderr
    with pytest.raises(TemplateRefusedError):
        chat_tokens(tmp_path, 40, BOS).of([{"role": "user", "content": "a"}])
