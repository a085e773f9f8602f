"""What ``docs/contributing.md`` says of kinds is done to a copy of the sources, and works."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.contributed.page_diffs import (
    ROOT,
    changed_sources,
    hunks,
    run_python,
    section_of,
)
from tests.support.vm_world import BOB, COIN, FEE, address

SECTION = section_of(ROOT / "docs" / "contributing.md", "Add a kind of transaction")
FILE = re.compile(r"^The file, `([a-z_/.]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = changed_sources(tmp_path_factory.mktemp("sources"), hunks(SECTION))
    [(path, text)] = FILE.findall(SECTION)
    assert not (folder / path).exists()
    (folder / path).write_text(text, encoding="utf-8")
    return folder


def test_a_kind_is_one_file_and_one_line() -> None:
    [(path, _)] = FILE.findall(SECTION)
    name = Path(path).stem
    added = [
        line
        for hunk in hunks(SECTION)
        for line in hunk.after.splitlines()
        if line not in hunk.before.splitlines()
    ]
    assert {hunk.path for hunk in hunks(SECTION)} == {"esper/vm/kinds.py"}
    assert added == [f"from esper.vm.{name} import StakeFor", "    StakeFor,"]


def test_the_kind_of_the_page_goes_from_bytes_to_receipt_and_words(sources: Path) -> None:
    done = run_python(sources, "-m", "tests.support.contributed.contributed_kind")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "name": "stake-for",
        "same": True,
        "on the wire": [1, 12],
        "receipt": [12, True, FEE],
        "paid": COIN,
        "staked": COIN,
        "projected": True,
        "waits": True,
        "described": [
            ["does", "stake-for"],
            ["receiver", address(BOB).hex()],
            ["amount", str(COIN)],
        ],
        "outputs": [],
    }


def test_the_change_of_the_page_is_in_the_style_of_the_house(sources: Path) -> None:
    [(path, _)] = FILE.findall(SECTION)
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = run_python(sources, "-m", "ruff", *command, *config, path, "esper/vm/kinds.py")
        assert done.returncode == 0, done.stdout + done.stderr
