"""Node, and the packages of tests that are written for it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

LEAST_NODE = 20
INSTALL_S = 60


def node_js() -> str:
    """Node of a version that runs the tests; skips without one."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no Node on this machine")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.match(r"v(\d+)\.", said)
    if version is None or int(version[1]) < LEAST_NODE:
        pytest.skip(f"Node is {said.strip()}, must be {LEAST_NODE} or later")
    return found


def installed_packages(folder: Path) -> str:
    """Node, with the packages of a folder's lock file in place; skips where they cannot be had."""
    found = node_js()
    lock = folder / "package-lock.json"
    mark = folder / "node_modules" / ".package-lock.json"
    if mark.exists() and mark.stat().st_mtime >= lock.stat().st_mtime:
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm on this machine")
    call = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        done = subprocess.run(
            call, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not get the packages in time")
    if done.returncode != 0:
        assert "EUSAGE" not in done.stderr, done.stderr
        pytest.skip(f"npm cannot install the packages: {done.stderr[-500:]}")
    return found
