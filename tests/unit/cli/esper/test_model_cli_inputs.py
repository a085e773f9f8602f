"""`esper model` with wrong files and arguments: a sentence each, and nothing left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from esper.cli.esper.app import application
from esper.model import load_model
from tests.support.model_folders import LETTERS, change, checkpoint_folder

RUNNER = CliRunner()
UNTYPED = os.fsdecode(b"caf\xe9")
"""A name or text that is not UTF-8, as Python gets it from the command line."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "text").write_text(LETTERS * 12)
    return checkpoint_folder(tmp_path / "hf")


def run(*arguments: str | Path) -> Any:
    return RUNNER.invoke(application(), ["model", *map(str, arguments)])


def export(source: Path, target: Path, *more: str | Path) -> Any:
    return run("export", source, target, "--text", source.parent / "text", *more)


def refused(result: Any) -> str:
    """The one sentence of a refusal."""
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return str(result.stderr)


def as_bytes(content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_bytes(content)


def fields(**changed: Any) -> Callable[[Path], None]:
    return lambda folder: change(folder / "config.json", **changed)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            lambda f: (f / "config.json").write_bytes(
                b"\xef\xbb\xbf" + (f / "config.json").read_bytes()
            ),
            "byte order mark",
        ),
        (
            lambda f: (f / "config.json").write_text(
                (f / "config.json").read_text(), encoding="utf-16"
            ),
            "UTF-8",
        ),
        (as_bytes(b""), "config.json"),
        (as_bytes(b'{"model_type": "llama", "model_type": "llama"}'), "twice"),
        (as_bytes(b'{"model_type": NaN}'), "NaN"),
        (as_bytes(b"[" * 99_999), "levels"),
        (lambda f: (f / "config.json").unlink(), "config.json"),
        (lambda f: ((f / "config.json").unlink(), (f / "config.json").mkdir()), "config.json"),
        (fields(rope_parameters={"type": "dynamic", "factor": 4.0}), "rope_parameters.type"),
        (fields(rope_scaling={"rope_type": "yarn"}), "rope_scaling.rope_type"),
        (fields(max_position_embeddings=131072), "max_position_embeddings"),
        (fields(attention_bias=True), "attention_bias"),
        (fields(vocab_size=10**30), "vocab_size"),
        (fields(eos_token_id=[2, 3]), "eos_token_id"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 99), "model.safetensors"),
        (lambda f: (f / "tokenizer.json").write_bytes(b"{}"), "tokenizer.json"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json"),
        (lambda f: (f.parent / "text").write_bytes(b"\xff"), "UTF-8"),
        (lambda f: (f.parent / "text").write_text("\u65e5\u672c" * 50), "text of this tokenizer"),
        (lambda f: (f.parent / "text").write_text(""), "text of this tokenizer"),
    ],
)
def test_a_bad_input_is_one_sentence_and_leaves_nothing(
    source: Path, spoil: Callable[[Path], object], named: str
) -> None:
    spoil(source)
    target = source.parent / "a" / "b"
    assert named in refused(export(source, target))
    assert not target.parent.exists()
    document = json.loads(export(source, target, "--json").stderr)
    assert set(document["error"]) == {"name", "message"}
    assert named in document["error"]["message"]


@pytest.mark.parametrize(
    "scaling",
    [{"rope_type": "default"}, {"type": "default"}, {"rope_type": "default", "factor": 1.0}, None],
)
def test_a_scaling_that_scales_nothing_changes_nothing(source: Path, scaling: Any) -> None:
    plain = export(source, source.parent / "plain", "--json")
    change(source / "config.json", rope_scaling=scaling)
    scaled = export(source, source.parent / "scaled", "--json")
    assert json.loads(plain.stdout)["integers_hash"] == json.loads(scaled.stdout)["integers_hash"]


def test_a_scaled_rotary_code_makes_another_model(source: Path) -> None:
    hashes = set()
    for name, scaling in (("a", None), ("b", {"type": "linear", "factor": 4.0})):
        change(source / "config.json", rope_scaling=scaling)
        done = export(source, source.parent / name, "--json")
        hashes.add(json.loads(done.stdout)["integers_hash"])
    assert len(hashes) == 2


def test_truncation_touches_neither_calibration_nor_prompt(source: Path) -> None:
    plain = json.loads(export(source, source.parent / "plain", "--json").stdout)
    cut = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    change(source / "tokenizer.json", truncation=cut)
    changed = json.loads(export(source, source.parent / "cut", "--json").stdout)
    assert changed["integers_hash"] == plain["integers_hash"]
    assert changed["compared"] == plain["compared"]
    model = load_model(source.parent / "cut")
    assert len(model.encode(LETTERS)) == 1 + len(LETTERS)


def test_a_held_out_part_without_text_is_said(source: Path) -> None:
    (source.parent / "text").write_text(LETTERS * 20 + "\u65e5" * 200)
    done = export(source, source.parent / "out")
    assert done.exit_code == 0
    assert "not compared" in done.stdout
    assert "no text of this tokenizer" in done.stdout
    (source.parent / "text").write_text("abcdefg")
    done = export(source, source.parent / "short", "--json")
    assert done.exit_code == 0
    assert "too short" in json.loads(done.stdout)["not_compared"]


# --- what is written --------------------------------------------------------------------------


def test_a_model_is_not_replaced_unasked(source: Path) -> None:
    target = source.parent / "out"
    assert export(source, target).exit_code == 0
    before = {file.name: file.read_bytes() for file in target.iterdir()}
    sentence = refused(export(source, target, "--gate-bits", "12"))
    assert "g16.safetensors" in sentence
    assert "--overwrite" in sentence
    assert {file.name: file.read_bytes() for file in target.iterdir()} == before
    weights = source / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(b"never read")
    assert "--overwrite" in refused(export(source, target))
    weights.write_bytes(kept)
    assert export(source, target, "--gate-bits", "12", "--overwrite").exit_code == 0
    assert (target / "g16.safetensors").read_bytes() != before["g16.safetensors"]


def test_nor_another_s_files(source: Path) -> None:
    target = source.parent / "out"
    target.mkdir()
    (target / "config.json").write_text("{}")
    assert "config.json" in refused(export(source, target))
    assert [file.name for file in target.iterdir()] == ["config.json"]
    (target / "config.json").unlink()
    (target / "notes").write_text("mine")
    assert export(source, target).exit_code == 0
    assert (target / "notes").read_text() == "mine"


def test_in_place_only_the_same_is_written_again(source: Path) -> None:
    assert export(source, source).exit_code == 0
    before = (source / "g16.safetensors").read_bytes()
    assert run("export", source, source).exit_code == 0
    assert "--overwrite" in refused(run("export", source, source, "--gate-bits", "12"))
    assert (source / "g16.safetensors").read_bytes() == before
    assert not list(source.glob(".export-*"))
    assert run("export", source, source, "--gate-bits", "12", "--overwrite").exit_code == 0


def test_a_folder_that_cannot_be_made_is_found_out_first(source: Path) -> None:
    (source.parent / "file").write_text("x")
    (source.parent / "loop").symlink_to("loop")
    (source / "config.json").write_text("never read")
    for target in ("file", "file/below", "loop", "loop/below"):
        sentence = refused(export(source, source.parent / target))
        assert str(source.parent / target) in sentence
        assert "config.json" not in sentence


def test_names_that_are_no_text_are_names_all_the_same(source: Path) -> None:
    folder, target = source.rename(source.parent / UNTYPED), source.parent / f"{UNTYPED}2"
    assert export(folder, target).exit_code == 0
    assert run("show", target).exit_code == 0
    assert run("run", target, "--prompt", "a", "--max-tokens", "1").exit_code == 0
    assert "caf" in refused(export(source.parent / f"no{UNTYPED}", source.parent / "x"))


# --- prompts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("model", "run", ".", "--max-tokens", "1", "--prompt", UNTYPED),
        ("prove", ".", "--out", "x", "--prompt", UNTYPED),
        ("prove", ".", "--out", "x", "--prompt", "a", "--prompt", UNTYPED),
    ],
)
def test_a_prompt_that_is_not_utf_8_is_misuse(arguments: tuple[str, ...]) -> None:
    result = RUNNER.invoke(application(), arguments)
    assert result.exit_code == 2
    assert "not UTF-8" in result.stderr.replace("\n", " ")
    assert "0xe9" in result.stderr


@pytest.mark.parametrize("command", ["show", "run", "prove"])
def test_refusals_are_json_where_json_is_wanted(tmp_path: Path, command: str) -> None:
    more = {
        "show": ("model", "show", tmp_path),
        "run": ("model", "run", tmp_path, "--prompt", "a", "--max-tokens", "1"),
        "prove": ("prove", tmp_path, "--prompt", "a", "--out", tmp_path / "x"),
    }[command]
    result = RUNNER.invoke(application(), [*map(str, more), "--json"])
    assert (result.exit_code, result.stdout) == (1, "")
    error = json.loads(result.stderr)["error"]
    assert error["name"] == "MissingFileError"
    assert "g16.safetensors" in error["message"]
