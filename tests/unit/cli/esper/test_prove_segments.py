"""`esper prove --segments`: what is said before, the file, and its check without weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from esper.cli.esper.app import application
from esper.cli.esper.models.proving_progress import Progress, TooLittleMemoryError, check_memory
from esper.cli.esper.models.segments import segment_lines
from esper.prover import proof_file
from esper.prover.parts import PartPlan, PartsPlan
from tests.support.golden_parts import SHAPE
from tests.support.second_verifier import flipped, random_model

pytest.importorskip("esper._native", reason="needs the compiled extension: run `make build`")

GIB = 1 << 30
STAGES = (("model commitment", 0.25), ("witness", 0.75))
PARTS = (
    PartPlan(0, 3, 1_000_000, 2_000_000, 2 * GIB, STAGES),
    PartPlan(3, 1, 1_000_000, 6_000_000, 3 * GIB, STAGES),
)


def run(*arguments: str | Path | int) -> Any:
    return CliRunner().invoke(application(), [*map(str, arguments)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    random_model(folder, 9, shape=SHAPE)
    return folder


def test_memory_is_told_by_segment() -> None:
    plan = PartsPlan(64, PARTS, GIB, 1)
    assert list(segment_lines(plan)) == [
        "segment 1: layers 0 to 2, 1.0 million cells beside 2.0 million of the model: "
        "about 2.0 GiB",
        "segment 2: layers 3 to 3, 1.0 million cells beside 6.0 million of the model: "
        "about 3.0 GiB",
        "64 rows: about 3.0 GiB of memory at the peak",
    ]
    both = PartsPlan(64, PARTS, GIB, 2)
    assert [*segment_lines(both)][-1] == (
        "64 rows, 2 segments at once: about 5.0 GiB of memory at the peak"
    )
    assert PartsPlan(64, PARTS, 9 * GIB, 1).memory_bytes == 9 * GIB
    check_memory(plan, 3 * GIB)
    with pytest.raises(TooLittleMemoryError, match="--segments"):
        check_memory(plan, 2 * GIB)


@pytest.mark.parametrize("workers", [1, 2])
def test_stages_are_all_of_the_work(workers: int) -> None:
    plan = PartsPlan(64, PARTS, GIB, workers)
    assert sum(share for _, share in plan.stages) == pytest.approx(1.0)
    progress = Progress(plan)
    for name, _ in plan.stages:
        assert progress.stage == name
        progress.done(name)
    assert progress.stage == ""
    names = [name for name, _ in plan.stages]
    assert len(set(names)) == len(names)


def test_a_model_is_proven_in_segments(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "proof"
    words = ("prove", model, "--prompt", "ab", "--max-tokens", 2, "--out", out, "--json")
    done = run(*words, "--segments", 3)
    assert done.exit_code == 0, done.output
    assert done.stderr.count("segment ") == 3
    fields = json.loads(done.stdout)
    statement, proof, in_parts = proof_file.read_any(out)
    assert in_parts
    assert statement.model_id.hex() == fields["model_id"]
    shown = json.loads(run("model", "show", model, "--segments", 3, "--json").stdout)
    assert shown["model_id"] == fields["model_id"]
    whole = json.loads(run("model", "show", model, "--json").stdout)
    assert whole["model_id"] != fields["model_id"]

    known = ("--model", fields["model_id"])
    done = run("verify", out, *known, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["valid"] is True
    assert found["segments"] == 3
    assert found["security_bits"] > 128
    assert "3 segments, " in run("verify", out, *known).stdout
    # The whole model's id is another one, and so are another proof's bytes.
    assert run("verify", out, "--model", whole["model_id"]).exit_code == 1
    changed = flipped(proof, len(proof) - 9)
    out.write_bytes(proof_file.encode(statement, changed, in_parts=True))
    assert run("verify", out, *known).exit_code == 1
    # Said to be a whole model's, it is none.
    out.write_bytes(proof_file.encode(statement, proof))
    assert run("verify", out, *known).exit_code == 1


def test_what_cannot_be_cut_is_refused(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "proof"
    words = ("prove", model, "--prompt", "ab", "--max-tokens", 2, "--out", out)
    done = run(*words, "--segments", 5)
    assert done.exit_code == 1
    assert done.stderr == "5 segments: the model has 4 layers, so 1 to 4 segments\n"
    assert run(*words, "--workers", 2).exit_code == 2
    assert run(*words, "--segments", 0).exit_code == 2
    done = run(*words, "--segments", 2, "--binding", "00")
    assert done.exit_code == 2
    assert not out.exists()


def test_an_id_is_an_id_or_a_refusal(model: Path) -> None:
    """A program would take words for one."""
    done = run("model", "show", model, "--segments", 5, "--json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "5 segments: the model has 4 layers" in done.stderr
    found = json.loads(run("model", "show", model, "--segments", 2, "--json").stdout)
    assert bytes.fromhex(found["model_id"]) != bytes.fromhex(
        json.loads(run("model", "show", model, "--json").stdout)["model_id"]
    )


@pytest.mark.parametrize("limit", ["bytes", "values"])
def test_residuals_that_no_proof_has_room_for_are_told_before_any_work(
    model: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    from esper.model import load_model
    from esper.prover import ProvingError
    from esper.prover.parts import CutModel

    cut = CutModel(model, load_model(model).native, 2)
    size, room, values, most = cut._parted.residuals(16)
    assert (room, most) == (1 << 26, 1 << 24)
    assert values == 16 * SHAPE.dim
    assert 2 * values < size < 4 * values
    assert cut.planned([[1, 2]], 1).parts

    class Full:
        first_layers = cut._parted.first_layers

        def residuals(self, rows: int) -> tuple[int, int, int, int]:
            return (size, size, values, most) if limit == "bytes" else (0, room, most + 1, most)

    monkeypatch.setattr(cut, "_parted", Full())
    with pytest.raises(ProvingError, match="fewer segments or shorter prompts"):
        cut.planned([[1, 2]], 1)


def test_a_folder_that_changes_meanwhile_is_refused(model: Path, tmp_path: Path) -> None:
    from esper.model import load_model
    from esper.prover import ProvingError
    from esper.prover.parts import CutModel, prove_ready

    folder = tmp_path / "model"
    random_model(folder_of(folder), 9, shape=SHAPE)
    cut = CutModel(folder, load_model(folder).native, 2)
    ready = cut.ready([[1, 2]], max_answer=1, binding=bytes(64))
    random_model(folder, 10, shape=SHAPE)
    with pytest.raises(ProvingError):
        prove_ready(ready)


def test_weights_of_the_same_shape_that_change_meanwhile_are_refused(
    model: Path, tmp_path: Path
) -> None:
    """No size, shift or embedding shows it: the id would be of integers that nobody checked."""
    from esper.model import load_model
    from esper.prover import ProvingError
    from esper.prover.parts import CutModel, committed_id, prove_ready

    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    cut = CutModel(folder, load_model(folder).native, 2)
    ready = cut.ready([[1, 2]], max_answer=1, binding=bytes(64))
    honest = committed_id(folder, cut.outlines)
    file = folder / "g16.safetensors"
    tensors = load_file(file)
    with safe_open(file, "np") as opened:
        metadata = opened.metadata()
    tensors["layers.0.q_proj.weight"][0, 0] ^= 1
    save_file(tensors, file, metadata)
    assert committed_id(model, cut.outlines) == honest
    with pytest.raises(ProvingError, match="integers"):
        committed_id(folder, cut.outlines)
    for workers in (1, 2):
        with pytest.raises(ProvingError, match="integers"):
            prove_ready(ready, workers=workers)


def folder_of(folder: Path) -> Path:
    folder.mkdir()
    return folder
