"""The command `esper` as a person runs it: prove, verify, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from esper.model import load_model
from esper.prover import proof_file

PROMPT = "Once upon a time, there was a little"
BINDING = "ab" * 64


def esper(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "esper"
    return subprocess.run(
        [command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
    )


@dataclass(frozen=True)
class Proven:
    file: Path
    model: Path
    model_id: str
    fields: dict[str, Any]

    def verify(self, *more: str | Path, file: Path | None = None) -> dict[str, Any]:
        """Verify with --json; return what was printed, with the exit status."""
        done = esper("verify", file or self.file, "--model-id", self.model_id, "--json", *more)
        result: dict[str, Any] = json.loads(done.stdout)
        return result | {"status": done.returncode}


@pytest.fixture(scope="module")
def proven(golden_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Proven:
    file = tmp_path_factory.mktemp("proof") / "answer.proof"
    done = esper(
        *("prove", golden_model, "--prompt", PROMPT, "--prompt", "Lily", "--max-tokens", "8"),
        *("--binding", BINDING, "--out", file, "--json"),
    )
    assert done.returncode == 0, done.stderr
    fields = json.loads(done.stdout)
    return Proven(file, golden_model, fields["model_id"], fields)


def test_what_was_proven_is_what_the_model_answers(proven: Proven) -> None:
    model = load_model(proven.model)
    assert proven.model_id == model.model_id.hex()
    for sequence, text in zip(proven.fields["sequences"], (PROMPT, "Lily"), strict=True):
        assert sequence["prompt"] == model.encode(text)
        assert sequence["answer"] == model.generate(sequence["prompt"], 8)


def test_a_proof_verifies_without_the_weights(proven: Proven, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((proven.model / "tokenizer.json").read_bytes())
    result = proven.verify("--binding", BINDING, "--tokenizer", tmp_path)
    assert result["status"] == 0
    assert result["valid"] is True
    assert result["security_bits"] >= 128
    assert result["proof_bytes"] == proven.fields["proof_bytes"]
    assert result["sequences"] == proven.fields["sequences"]


def test_people_read_the_answer_and_the_figures(proven: Proven) -> None:
    done = esper(
        *("verify", proven.file, "--model-id", proven.model_id, "--tokenizer", proven.model)
    )
    assert done.returncode == 0
    assert proven.fields["sequences"][0]["answer_text"] in done.stdout
    assert "bits of security" in done.stdout


def test_a_binding_that_nobody_compared_is_said(proven: Proven) -> None:
    words = ("verify", proven.file, "--model-id", proven.model_id)
    assert f"bound to {BINDING}: not compared" in esper(*words).stdout
    assert "not compared" not in esper(*words, "--binding", BINDING).stdout


def test_another_answer_is_refused(proven: Proven, tmp_path: Path) -> None:
    statement, proof = proof_file.read(proven.file)
    data = bytearray(proof_file.encode(statement, proof))
    first_answer = data.index(
        b"".join(t.to_bytes(4, "little") for t in statement.sequences[0].answer)
    )
    data[first_answer] ^= 1
    forged = tmp_path / "forged.proof"
    forged.write_bytes(data)
    result = proven.verify(file=forged)
    assert result["status"] == 1
    assert result["valid"] is False


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_changed_proof_is_refused(proven: Proven, tmp_path: Path, part: float) -> None:
    statement, proof = proof_file.read(proven.file)
    changed = bytearray(proof)
    changed[int(len(proof) * part)] ^= 1
    forged = tmp_path / "forged.proof"
    proof_file.write(forged, statement, bytes(changed))
    result = proven.verify(file=forged)
    assert result["status"] == 1
    assert result["valid"] is False


def test_another_model_or_binding_is_refused(proven: Proven) -> None:
    other = "00" * 64
    done = esper("verify", proven.file, "--model-id", other)
    assert done.returncode == 1
    assert "about another model" in done.stderr
    assert "is bound to" in proven.verify("--binding", other)["reason"]


def test_a_file_that_is_no_proof_is_refused(proven: Proven, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"not a proof at all, but long enough")
    result = proven.verify(file=other)
    assert (result["status"], result["error"]) == (1, "ProofFileError")


def test_a_file_that_cannot_be_read_is_no_forgery(proven: Proven, tmp_path: Path) -> None:
    for file, why in ((tmp_path / "absent", "No such file"), (tmp_path, "Is a directory")):
        done = esper("verify", file, "--model-id", proven.model_id, "--json")
        assert (done.returncode, done.stdout) == (2, "")
        error = json.loads(done.stderr)["error"]
        assert error["name"] == "UnreadableFileError"
        assert f"{file} is unreadable: {why}" in error["message"]
        done = esper("verify", file, "--model-id", proven.model_id)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is unreadable" in done.stderr
    done = esper(
        *("verify", proven.file, "--model-id", proven.model_id, "--tokenizer", tmp_path, "--json")
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr)["error"]["name"] == "MissingFileError"


def test_no_proof_is_overwritten_and_no_folder_found_out_late(
    proven: Proven, tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    out.write_text("mine")
    for refused, why in (
        (out, "exists already"),
        (tmp_path / "no" / "x", "there is no folder"),
        (tmp_path, "is a folder"),
    ):
        # Before the model is looked at: it is not even there.
        done = esper("prove", tmp_path / "no-model", "--prompt", "a", "--out", refused, "--json")
        assert (done.returncode, done.stdout) == (1, "")
        error = json.loads(done.stderr)["error"]
        assert error["name"] == "OutFileError"
        assert why in error["message"]
    assert out.read_text() == "mine"
    done = esper(
        *("prove", proven.model, "--prompt", "a", "--max-tokens", "1", "--out", out, "--force")
    )
    assert done.returncode == 0, done.stderr
    assert proof_file.read(out)[0].sequences[0].max_answer == 1
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]


def test_errors_of_a_model_are_objects_for_programs(tmp_path: Path) -> None:
    done = esper("prove", tmp_path, "--prompt", "a", "--out", tmp_path / "x", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    error = json.loads(done.stderr)["error"]
    assert error["name"].endswith("Error")
    assert str(tmp_path) in error["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "any.proof", "--model-id", "xyz"),
        ("verify", "any.proof", "--model-id", "00"),
        ("prove", ".", "--prompt", "a", "--out", "x.proof", "--binding", "00"),
        ("prove", ".", "--prompt", "a", "--out", "x.proof", "--max-tokens", "0"),
        ("prove", ".", "--prompt", "caf\udce9", "--out", "x.proof"),
        ("prove", "."),
        ("unknown",),
    ],
)
def test_misuse_has_its_own_status(arguments: tuple[str, ...]) -> None:
    done = esper(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_folder_without_a_model_is_refused_by_name(tmp_path: Path) -> None:
    done = esper("prove", tmp_path, "--prompt", "a", "--out", tmp_path / "x.proof")
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert not (tmp_path / "x.proof").exists()


def test_help_names_every_command() -> None:
    done = esper("--help")
    assert done.returncode == 0
    for command in ("model", "prove", "verify"):
        assert command in done.stdout
