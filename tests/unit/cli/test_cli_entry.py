"""The installed commands where the extension cannot be loaded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"""
import sys
from esper.cli.entry import {command}
sys.argv = {[command, *arguments]!r}
{command}()
"""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(folder), "ESPER_STALE_NATIVE": "allow"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "arguments"), [("esper", ["wallet", "new"]), ("esperd", ["init", "--datadir", "x"])]
)
def test_a_missing_extension_is_one_sentence_with_the_remedy(
    command: str, arguments: list[str], tmp_path: Path
) -> None:
    package = tmp_path / "esper"
    package.mkdir()
    for source in (ROOT / "esper").iterdir():
        # The guard looks beside itself, wherever links lead to.
        if source.is_dir():
            (package / source.name).symlink_to(source)
        elif source.suffix == ".py":
            shutil.copy(source, package)
    refused = run(tmp_path, command, *arguments)
    assert refused.returncode == 1
    assert refused.stderr == (
        "error: esper._native has not been built: run `make build` in the repository.\n"
    )
    assert refused.stdout == ""
    assert run(ROOT, command, "--help").returncode == 0
