"""What ``docs/contributing.md`` says of settings is done to a copy of the sources, and works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
NAME = "rpc_access_log"


def changes() -> list[Hunk]:
    return hunks(section_of(PAGE, "Add a setting"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed_sources(tmp_path_factory.mktemp("sources"), changes())


def test_one_field_is_a_flag_a_variable_a_key_a_row_and_a_line(
    sources: Path, tmp_path: Path
) -> None:
    done = run_python(
        sources, "-m", "tests.support.contributed.contributed_setting", NAME, "true", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["default"] == {"value": False, "source": "default"}
    for source in ("flag", "file"):
        assert found[source] == {"value": True, "source": source}
    assert found["variable"] == {"value": True, "source": "environment"}
    assert found["line"].split(maxsplit=3)[:3] == [NAME, "=", "true"]
    meaning = "a log line for each request, without its contents"
    assert found["line"].endswith(meaning)
    assert found["rows"] == [f"| `{NAME}` | no | node, mine | {meaning} |"]
    assert found["refused"] == f"environment: {NAME} = '\\x00': must be yes or no"
    assert found["help"] == {"init": False, "node": True, "mine": True, "config": True}


def test_the_setting_of_the_page_is_one_edit_beside_its_use() -> None:
    assert [change.path for change in changes()] == [
        "esper/node/settings.py",
        "esper/node/node_server.py",
    ]


def test_the_change_of_the_page_is_in_the_style_of_the_house(sources: Path) -> None:
    paths = sorted({change.path for change in changes()})
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = run_python(sources, "-m", "ruff", *command, *config, *paths)
        assert done.returncode == 0, done.stdout + done.stderr
