"""What ``docs/contributing.md`` shows is done to a copy of the sources, and works there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esper.rpc.errors import NOT_FOUND
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
    return hunks(section_of(PAGE, "Add an RPC method"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return changed_sources(tmp_path_factory.mktemp("sources"), changes())


def test_the_method_of_the_page_is_served_and_called(sources: Path, tmp_path: Path) -> None:
    done = run_python(sources, "-m", "tests.support.contributed.contributed_method", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    times = found["times"]
    assert found["reply"] == {"blocks": 2, "average_ms": (times[-1] - times[-3]) // 2}
    assert found["refused"] == NOT_FOUND
    assert found["example"] == {"blocks": 5}
    described = found["described"]
    assert [part["name"] for part in described["params"]] == ["blocks"]
    assert {"$ref": "#/components/errors/NOT_FOUND"} in described["errors"]


def test_the_page_of_methods_has_it_too(sources: Path) -> None:
    program = "import runpy; print(runpy.run_path({!r})['page']())"
    done = run_python(sources, "-c", program.format(str(ROOT / "scripts" / "write_rpc_docs.py")))
    assert done.returncode == 0, done.stderr
    assert "### get_spacing\n" in done.stdout
    assert "Answers `Spacing`, or NOT_FOUND." in done.stdout


def test_a_node_that_forgets_to_answer_it_does_not_start(tmp_path: Path) -> None:
    kept = [change for change in changes() if change.path != "esper/node/views/rpc_node.py"]
    assert len(kept) == len(changes()) - 1
    sources = changed_sources(tmp_path, kept)
    done = run_python(
        sources, "-m", "tests.support.contributed.contributed_method", str(tmp_path / "data")
    )
    assert done.returncode != 0
    assert "UnansweredMethodError: nobody answers get_spacing" in done.stderr


def test_the_change_of_the_page_is_in_the_style_of_the_house(sources: Path) -> None:
    paths = sorted({change.path for change in changes()})
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = run_python(sources, "-m", "ruff", *command, *config, *paths)
        assert done.returncode == 0, done.stdout + done.stderr
