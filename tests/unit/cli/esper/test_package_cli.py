"""`esper model pack` and `check`, as a person and as a program call them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from esper.cli.esper import environment
from esper.cli.esper.models.model import app
from esper.consensus.registry import genesis_registry
from esper.dao.registry import TierRegistry
from esper.embedded import find_embedded
from esper.model.package.package import pack
from esper.model.package.store import ModelStore
from esper.primitives.ids import ModelId
from esper.primitives.networks import MAINNET, REGTEST
from tests.support.package_folders import genesis_folder
from tests.support.vm_world import World
from tests.support.wallet.fake_wallet_node import FakeNode

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No node answers, whatever runs on this machine."""
    monkeypatch.delenv("ESPER_RPC", raising=False)
    monkeypatch.setenv("ESPER_DATADIR", str(tmp_path / "no-node"))


def asked(monkeypatch: pytest.MonkeyPatch, **said: Any) -> FakeNode:
    """A node of regtest that says this."""
    node = FakeNode(World(), **said)
    monkeypatch.setattr(environment, "connect", lambda _: node)
    return node


@pytest.fixture(scope="module")
def genesis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return genesis_folder(tmp_path_factory.mktemp("genesis") / "model")


def run(*words: object, status: int = 0) -> Any:
    done = RUNNER.invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout or done.stderr)


def test_a_package_is_shown(genesis: Path) -> None:
    fields = run("pack", genesis, "--tier", 1)
    made = pack(genesis)
    assert fields["package"] == made.root.hex()
    assert (fields["size"], fields["chunks"]) == (made.manifest.size, 7)
    assert [one["name"] for one in fields["files"]] == [f.text for f in made.manifest.files]
    assert fields["model_id"] == MAINNET.model.model_id.hex()
    assert fields["bank"]["root"] == MAINNET.model.bank_root.hex()
    assert fields["bank"]["prompts"] == MAINNET.model.bank_size
    assert fields["ticket"] == {"sequences": 2, "rows": 64, "input_tokens": 49, "max_answer": 16}
    assert not fields["refused"]
    *right, tier = fields["findings"]
    assert {one["weight"] for one in right} == {"right"}
    assert (tier["subject"], tier["weight"]) == ("tier", "notice")


def test_in_words(genesis: Path, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["check", str(genesis), "--tier", "1"])
    assert done.exit_code == 0, done.output
    where = f"no node answers at {tmp_path / 'no-node'}"
    assert f"terms      what mainnet began with, votes may have moved it: {where}" in done.stdout
    assert "right    salt: 256 prompts behind two salts" in done.stdout
    assert "right    rules" in done.stdout


def test_what_a_node_would_refuse(genesis: Path) -> None:
    """The same bank again for the model that the tier has."""
    for command in ("pack", "check"):
        fields = run(command, genesis, status=1)
        assert fields["refused"]
        wrong = [one["subject"] for one in fields["findings"] if one["weight"] == "refused"]
        assert wrong == ["longer bank", "rules"]
    done = RUNNER.invoke(app, ["check", str(genesis)])
    assert done.exit_code == 1
    assert "refused: no node would be ready for it" in done.stderr


@pytest.mark.parametrize("command", ["pack", "check"])
def test_whose_rules_count_is_said(command: str) -> None:
    said = " ".join(RUNNER.invoke(app, [command, "--help"]).stdout.split())
    assert "those in force, if a node answers" in said
    assert "that the network began with" in said


def test_a_bank_is_made_and_the_package_kept(genesis: Path, tmp_path: Path) -> None:
    bank = find_embedded().bank
    folder = genesis_folder(tmp_path / "model")
    (folder / "bank.json").unlink()
    without = run("check", folder, status=1)["error"]["message"]
    assert without.endswith("put it there, or make it with `esper model pack DIR --bank genesis`")
    words = ("pack", folder, "--bank", "genesis", "--tier", 1, "--into", tmp_path / "data")
    fields = run(*words)
    assert (folder / "bank.json").read_bytes() == bank.read_bytes()
    assert fields["package"] == pack(genesis).root.hex()
    with ModelStore.opened(tmp_path / "data") as store:
        (kept,) = store.kept()
        assert kept.whole
        assert kept.model_id == MAINNET.model.model_id
        assert run(*words, status=1)["error"]["name"] == "StoreInUseError"
        (folder / "LICENSE").write_bytes(b"")
        assert "LICENSE is empty: fill it" in run("check", folder, status=1)["error"]["message"]
    place = tmp_path / "data" / "models" / fields["package"]
    assert fields["kept"] == str(place)
    assert {
        "subject": "tier",
        "weight": "notice",
        "words": "tier 0 has this model: none may propose it for another",
    } in fields["findings"]
    assert not run("check", place, "--tier", 1)["refused"]
    with (place / "files" / "LICENSE").open("ab") as stream:
        stream.write(b"and more")
    wrong = run("check", place, "--tier", 1, status=1)["findings"][-1]
    assert (wrong["subject"], wrong["weight"]) == ("files", "refused")
    place = place.rename(place.with_suffix(".part"))
    assert run("check", place, status=1)["error"]["name"] == "UnknownModelError"


def test_nothing_is_kept_of_what_is_refused(genesis: Path, tmp_path: Path) -> None:
    run("pack", genesis, "--into", tmp_path / "data", status=1)
    assert not (tmp_path / "data").exists()


def test_a_shorter_ticket_leaves_prompts_out(tmp_path: Path) -> None:
    folder = genesis_folder(tmp_path / "model")
    words = ("--bank", "genesis", "--tier", 1, "--ticket", "1,64,40,16")
    fields = run("pack", folder, *words, status=1)
    assert 0 < fields["bank"]["prompts"] < 4096
    wrong = [one for one in fields["findings"] if one["weight"] == "refused"]
    assert ["BankSize" in one["words"] for one in wrong] == [True]


def test_a_folder_that_is_no_package(tmp_path: Path) -> None:
    error = run("pack", tmp_path, status=1)["error"]
    assert error["name"] == "MissingFileError"
    assert "LICENSE" in error["message"]


def test_a_folder_that_is_no_model(genesis: Path, tmp_path: Path) -> None:
    folder = genesis_folder(tmp_path / "model")
    (folder / "g16.safetensors").write_bytes(b"no weights")
    fields = run("check", folder, status=1)
    assert "model_id" not in fields
    (finding,) = fields["findings"]
    assert finding["subject"] == "model"


def test_further_files(genesis: Path, tmp_path: Path) -> None:
    folder = genesis_folder(tmp_path / "model")
    (folder / "suite-gsm8k.json").write_bytes(b"{}")
    fields = run("pack", folder, "--tier", 1, "--with", "suite-gsm8k.json")
    assert "suite-gsm8k.json" in [one["name"] for one in fields["files"]]
    error = run("pack", folder, "--with", "../model/config.json", status=1)["error"]
    assert error["name"] == "ManifestError"


@pytest.mark.parametrize(
    "words",
    [
        ("--network", "moonnet"),
        ("--tier", "256"),
        ("--ticket", "2,64,49"),
        ("--ticket", "2,64,49,-1"),
        ("--ticket", "2,64,49,999999"),
        ("--ticket", "2,64,49,\u0664"),
    ],
)
def test_misuse(genesis: Path, words: tuple[str, str]) -> None:
    assert RUNNER.invoke(app, ["check", str(genesis), *words]).exit_code == 2


def test_tiers_are_those_that_the_node_says(genesis: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another model than genesis' is mined in its tier by now, so that it would be a change."""
    (tier,) = genesis_registry(REGTEST).tiers
    other = replace(tier, model=replace(tier.model, model_id=ModelId(bytes(64))))
    asked(monkeypatch, tiers=TierRegistry((other,)))
    for command in ("pack", "check"):
        fields = run(command, genesis)
        height = fields["terms"].pop("height")
        assert fields["terms"] == {
            "network": "regtest",
            "in_force": True,
            "words": f"what is in force on regtest at height {height}, as the node says",
        }
    asked(monkeypatch)
    assert run("check", genesis, status=1)["refused"]
    done = RUNNER.invoke(app, ["check", str(genesis)])
    assert f"terms      what is in force on regtest at height {height}, as" in done.stdout
