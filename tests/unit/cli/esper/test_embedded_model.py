"""The word `genesis` where a command or a setting takes a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from esper.embedded import bank_file, find_embedded, model_folder
from esper.node.settings import SETTINGS_FILE, Settings, resolve
from esper.primitives.genesis_data import GENESIS_MODEL
from tests.support.command_lines import command_line


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_bare_word_is_the_embedded_model() -> None:
    assert model_folder("genesis") == find_embedded().model
    assert (model_folder("genesis") / "g16.safetensors").is_file()
    assert bank_file("genesis") == find_embedded().bank


def test_a_folder_of_that_name_is_meant_only_if_it_holds_a_model(elsewhere: Path) -> None:
    (elsewhere / "genesis").mkdir()
    (elsewhere / "genesis" / "train.py").touch()
    assert model_folder("genesis") == find_embedded().model
    # As a path it is always the folder, so that nobody's own model is passed over.
    assert model_folder("./genesis") == Path("genesis")
    assert model_folder(str(elsewhere / "genesis")) == elsewhere / "genesis"
    for name in ("config.json", "g16.safetensors"):
        (elsewhere / "genesis" / name).touch()
        assert model_folder("genesis") == Path("genesis")
        (elsewhere / "genesis" / name).unlink()
    assert bank_file("genesis") == find_embedded().bank
    assert bank_file("./genesis") == Path("genesis")


@pytest.mark.parametrize("text", ["", "Genesis", "genesis/", "genesis2", "a/genesis"])
def test_any_other_text_is_a_path(text: str) -> None:
    assert model_folder(text) == Path(text)


def test_commands_take_the_word(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> str:
        command_line("esper").main(arguments, prog_name="esper", standalone_mode=False)
        return capsys.readouterr().out

    answer = run("model", "run", "genesis", "--prompt", "Once upon a time", "--max-tokens", "2")
    assert answer.startswith("Once upon a time")
    assert GENESIS_MODEL.model_id.hex() in run("model", "show", "genesis")


@pytest.mark.parametrize("source", ["file", "environment", "flag"])
def test_settings_take_the_word(elsewhere: Path, source: str) -> None:
    flags: dict[str, object] = {"datadir": elsewhere}
    environment = {}
    if source == "file":
        (elsewhere / SETTINGS_FILE).write_text('model = "genesis"\nbank = "genesis"\n')
    elif source == "environment":
        environment = {"ESPER_MODEL": "genesis", "ESPER_BANK": "genesis"}
    else:
        flags |= {"model": Path("genesis"), "bank": Path("genesis")}
    found = resolve(flags, environment)
    assert (found.settings.model, found.settings.bank) == (Settings().model, Settings().bank)
    assert found.sources["model"] == found.sources["bank"] == source
