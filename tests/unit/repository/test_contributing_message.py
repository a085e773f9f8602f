"""What ``docs/contributing.md`` says of messages is done to a copy of the sources, and works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.contributed.page_diffs import (
    ROOT,
    Hunk,
    changed_sources,
    hunks,
    run_python,
    section_of,
)

PAGE = ROOT / "docs" / "contributing.md"


def changes() -> list[Hunk]:
    return hunks(section_of(PAGE, "Add a message"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed_sources(tmp_path_factory.mktemp("sources"), changes())


def test_the_message_of_the_page_is_sent_heard_and_ignored_by_others(sources: Path) -> None:
    done = run_python(sources, "-m", "tests.support.contributed.contributed_message")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "frame": "00000003809101",
        "stream": "talk",
        "listens": [True, True, True, True],
    }


def test_who_does_not_know_it_ignores_it() -> None:
    done = run_python(
        ROOT,
        "-c",
        "from esper.p2p.wire import messages; print(messages.decode_message(128, bytes([145, 1])))",
    )
    assert done.stdout == "None\n", done.stderr


def test_the_change_of_the_page_is_in_the_style_of_the_house(sources: Path) -> None:
    paths = sorted({change.path for change in changes()})
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = run_python(sources, "-m", "ruff", *command, *config, *paths)
        assert done.returncode == 0, done.stdout + done.stderr
