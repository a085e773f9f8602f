"""What ``docs/contributing.md`` says of messages is done to a copy of the sources, and works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.page_diffs import ROOT, Hunk, changed_sources, hunks, section_of

PAGE = ROOT / "docs" / "contributing.md"


def run(sources: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python on other sources of the package, with the tests of these."""
    path = os.pathsep.join([str(sources), str(ROOT)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=sources,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def changes() -> list[Hunk]:
    return hunks(section_of(PAGE, "Add a message"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed_sources(tmp_path_factory.mktemp("sources"), changes())


def test_the_message_of_the_page_is_sent_heard_and_ignored_by_others(sources: Path) -> None:
    done = run(sources, "-m", "tests.support.contributed_message")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "frame": "00000003809101",
        "stream": "talk",
        "listens": [True, True, True, True],
    }


def test_who_does_not_know_it_ignores_it() -> None:
    done = run(
        ROOT,
        "-c",
        "from esper.p2p.wire import messages; print(messages.decode_message(128, bytes([145, 1])))",
    )
    assert done.stdout == "None\n", done.stderr


def test_the_change_of_the_page_is_in_the_style_of_the_house(sources: Path) -> None:
    paths = sorted({change.path for change in changes()})
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = run(sources, "-m", "ruff", *command, *config, *paths)
        assert done.returncode == 0, done.stdout + done.stderr
