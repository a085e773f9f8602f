"""The order of the tests, the profiles of the randomised ones, and the shared models."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

REPOSITORY = Path(__file__).resolve().parent.parent

settings.register_profile(
    "test", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "soak", deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


LONGEST_FIRST: tuple[str, ...] = (
    "tests/fuzz/test_atheris.py",
    "tests/fuzz/test_rpc_fuzz.py",
    "tests/functional/test_hostile_machines.py",
    "tests/sim/test_sim_scenarios.py",
    "tests/property/test_chain_machine.py",
    "tests/property/test_mempool_machine.py",
    "tests/functional/test_cli.py",
)
"""Files that take the longest, so that no worker begins one when the others are done."""
ALONE: tuple[str, ...] = ("serial", "nodes")
"""Marks whose tests never meet others with the same mark."""


class FilesOnOneWorker(LoadGroupScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker whole files, so that what a file prepares is prepared once.

    The tests that are marked `serial` count as one file, and so do those marked `nodes`.
    """

    def _split_scope(self, nodeid: str) -> str:
        group: str = super()._split_scope(nodeid)
        return group.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesOnOneWorker | None:
    """Take the scheduler above where tests run in groups."""
    return FilesOnOneWorker(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests into the order in which workers take them.

    Nodes first, which wait for one another while the other worker and Rust's tests compute; then
    the long files; then the serial tests, by when the nodes are about to be done; and at last the
    many small files, with which both workers end together.
    """
    rank = {file: place for place, file in enumerate(LONGEST_FIRST)}
    others = len(rank)

    def place(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0]
        if item.get_closest_marker("nodes"):
            return -1
        if item.get_closest_marker("serial"):
            return others + 1
        return rank.get(file, others + 2 if file.startswith("tests/unit/") else others)

    for item in items:
        for mark in ALONE:
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.xdist_group(mark))
    items.sort(key=place)


def _transportable(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {key: _transportable(one) for key, one in value.items()}
        case list() | tuple():
            return type(value)(map(_transportable, value))
    return value


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let a report reach the main process whatever a test has logged: surrogates are escaped."""
    return _transportable((yield))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder named by ESPER_SHARED (it holds `models/`); skip the test without one.

    Unset, the folder `shared` beside the repository is taken where it exists. A variable that
    names no such folder is a mistake, never a reason to skip.
    """
    named = os.environ.get("ESPER_SHARED")
    if named is not None:
        folder = Path(named)
        if not (folder / "models").is_dir():
            raise pytest.UsageError(f"ESPER_SHARED={named} names no folder that holds models/")
        return folder
    beside = REPOSITORY.parent / "shared"
    if not (beside / "models").is_dir():
        pytest.skip("needs the shared models: set ESPER_SHARED to a folder that holds models/")
    return beside


@pytest.fixture(scope="session")
def golden_model(shared: Path) -> Path:
    """Return the folder of the published 260K model with its golden vectors."""
    folder = shared / "models" / "stories260K"
    if not folder.is_dir():
        pytest.skip(f"needs stories260K, which {shared / 'models'} does not hold")
    return folder
