"""The wheel, in an environment that holds nothing else, in a folder that is not the checkout."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

import esper
from esper.embedded import BANK_FILE, FOLDER, MODEL_FILES, SEED_FILES
from esper.model.benchmarks import own
from esper.native_record import RECORD_NAME, BuildRecord
from tests.support.wheel_world import (
    BIN,
    ROOT,
    Installed,
    build_wheel,
    installed_in_empty_environment,
)

pytestmark = pytest.mark.nodes


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return installed_in_empty_environment(wheel, tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with an `esper` and a `genesis` of its own, which are none of ours."""
    (tmp_path / "esper").mkdir()
    (tmp_path / "esper" / "__init__.py").write_text("raise ImportError('a stranger')\n")
    (tmp_path / "genesis").mkdir()
    return tmp_path


def test_the_wheel_carries_what_the_checkout_has(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        for name in MODEL_FILES:
            carried = archive.read(f"esper/{FOLDER}/genesis/{name}")
            assert carried == (ROOT / "genesis" / "model" / name).read_bytes()
        carried = archive.read(f"esper/{FOLDER}/{BANK_FILE}")
        assert carried == (ROOT / "prompt_bank" / BANK_FILE).read_bytes()
        for name in SEED_FILES:
            carried = archive.read(f"esper/{FOLDER}/seeds/{name}")
            assert carried == (ROOT / "seeds" / name).read_bytes()
        for text in own.OWN:
            carried = archive.read(f"esper/model/benchmarks/own_texts/{text}.jsonl")
            assert carried == own.benchmark_file(text).read_bytes()
        record = BuildRecord.from_json(archive.read(f"esper/{RECORD_NAME}").decode())
    assert record == BuildRecord.from_json((ROOT / "esper" / RECORD_NAME).read_text())
    assert f"esper/{record.extensions[0].file}" in names
    assert wheel.name.startswith(f"esperchain-{esper.__version__}-cp311-abi3-")
    sources = {file.relative_to(ROOT).as_posix() for file in (ROOT / "esper").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}
    for folder in ("static", "templates"):
        for file in (ROOT / "esper" / "explorer" / folder).iterdir():
            carried = archive_bytes(wheel, f"esper/explorer/{folder}/{file.name}")
            assert carried == file.read_bytes()
    outside = [name for name in names if not name.startswith(("esper/", "esperchain-"))]
    assert outside == []
    assert "model.safetensors" not in {Path(name).name for name in names}


def archive_bytes(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def test_what_is_installed_is_what_the_wheel_asks_for(installed: Installed) -> None:
    checked = os.spawnl(
        os.P_WAIT, str(BIN / "uv"), "uv", "pip", "check", "--quiet",
        "--python", str(installed.folder / "bin" / "python"),
    )  # fmt: skip
    assert checked == 0
    assert not (installed.packages / "pytest").exists()


def test_it_says_what_it_is(installed: Installed, elsewhere: Path) -> None:
    for program in ("esper", "esperd"):
        told = installed.run(program, "--version", cwd=elsewhere)
        assert told.returncode == 0, told.stderr
        assert told.stdout.startswith(f"{program} {esper.__version__}\nextension  native, ")


def test_it_proves_and_verifies(installed: Installed, elsewhere: Path) -> None:
    proven = installed.run(
        *("esper", "prove", "genesis", "--prompt", "Once upon a time", "--max-tokens", "4"),
        *("--out", "answer.proof", "--json"),
        cwd=elsewhere,
    )
    assert proven.returncode == 0, proven.stderr
    told = json.loads(proven.stdout)
    verified = installed.run(
        *("esper", "verify", "answer.proof", "--model-id", told["model_id"]),
        *("--tokenizer", "genesis", "--json"),
        cwd=elsewhere,
    )
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["sequences"] == told["sequences"]


NODE = """\
set -eux
esperd mine --network regtest --blocks 1 --datadir chain --rpc-port 0 --port 0
esperd verify-chain --datadir chain
esperd node --datadir chain --rpc-port 0 --port 0 & NODE=$!
until esper status --datadir chain --json; do kill -0 $NODE; done
esperd stop --datadir chain
wait $NODE
"""


def test_it_mines_checks_and_serves(installed: Installed, elsewhere: Path) -> None:
    told = installed.run("/bin/bash", "-c", NODE, cwd=elsewhere)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "1 block" in told.stdout
    assert '"network": "regtest"' in told.stdout
