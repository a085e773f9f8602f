"""Changes that a page shows as diffs, applied to a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_FENCE = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Hunk:
    """Lines of a file before and after a change."""

    path: str
    before: str
    after: str

    def apply(self, folder: Path) -> None:
        """Change the file; its lines before must stand there once."""
        target = folder / self.path
        found = target.read_text(encoding="utf-8")
        assert found.count(self.before) == 1, f"{self.path} has not once:\n{self.before}"
        target.write_text(found.replace(self.before, self.after), encoding="utf-8")


def section_of(page: Path, heading: str) -> str:
    """The text under a heading of the second level."""
    _, _, rest = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert rest, f"{page.name} has no section {heading!r}"
    return rest.partition("\n## ")[0]


def hunks(text: str) -> list[Hunk]:
    """All changes of the diff blocks in a text. A line ``@@`` stands between two of one file."""
    return [hunk for block in _FENCE.findall(text) for hunk in _hunks(block)]


def _hunks(block: str) -> list[Hunk]:
    head, named, *lines = block.splitlines()
    path = named.removeprefix("+++ b/")
    assert head == f"--- a/{path}", head
    assert {line[0] for line in lines} <= set(" +-@"), block
    return [
        Hunk(path, _side(part, " -"), _side(part, " +"))
        for part in "\n".join(lines).split("\n@@\n")
    ]


def _side(part: str, signs: str) -> str:
    return "".join(line[1:] + "\n" for line in part.splitlines() if line[0] in signs)


def changed_sources(folder: Path, changes: list[Hunk]) -> Path:
    """A copy of the package ``esper`` with the changes, in a folder for ``PYTHONPATH``."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "esper", folder / "esper", ignore=ignored)
    for change in changes:
        change.apply(folder)
    return folder


def run_python(sources: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
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
