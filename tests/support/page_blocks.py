"""The fenced blocks of README and docs, and how those that are commands are run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.node.node_process import PATIENCE_S, environment

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGE_PATIENCE_S = 5 * PATIENCE_S

NOT_RUN = {
    "esper model fetch 7": "a proposal under way; tests/functional/test_rotation.py follows one",
    "esper dao ready $ID --sign": "past a vote; tests/functional/test_cold_payee.py does it",
    "esper dao accuse": "a gateway's lie; tests/functional/test_accused_gateway.py tells one",
    "esper dao curate commit": "rounds of a model under way: tests/functional/test_hidden_sets.py",
    "esper dao report": "a model under way: tests/functional/test_reports.py",
    "esper dao propose --text": "a vote on it: tests/unit/cli/esper/test_dao_cli.py",
    "make devnet": "runs for ever: what it runs is what the other blocks run against",
    "make test": "is what runs this test",
    "make wheel": "compiles three times: tests/functional/test_wheel.py makes one of what is built",
    "apt-get install": "changes the machine",
    "pip install '.[torch]'": "gigabytes, and two hours of training behind it",
    "pip install '.[ray]'": "an extra that no other page needs",
    "make smollm2": "fetches a hundred megabytes: tests/unit/repository/test_make_smollm2.py",
    "esper model export genesis/model genesis/model": "the genesis model, whose bytes are pinned",
}
"""Lines that a block begins with, and why it is not run."""


@dataclass(frozen=True)
class CommandBlock:
    page: str
    line: int
    text: str

    @property
    def first(self) -> str:
        return self.text.lstrip().splitlines()[0]

    @property
    def reason_not_to_run(self) -> str | None:
        return next((why for start, why in NOT_RUN.items() if self.first.startswith(start)), None)


def fences(page: Path) -> Iterator[tuple[str, int, str]]:
    """Label, line and text of every fenced block."""
    label, began = "", 0
    lines: list[str] | None = None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"^\s*```(.*)$", line)
        if fence is None:
            if lines is not None:
                lines.append(line)
        elif lines is None:
            label, began, lines = fence[1].strip(), number, []
        else:
            yield label, began, "\n".join(lines)
            lines = None
    assert lines is None, f"{page}: the block at line {began} does not end"


def blocks(page: Path, label: str = "sh") -> list[CommandBlock]:
    """A page's blocks with this label."""
    name = str(page.relative_to(ROOT))
    return [CommandBlock(name, line, text) for found, line, text in fences(page) if found == label]


def execute(found: Sequence[CommandBlock], folder: Path, **variables: str) -> str:
    """What a page's blocks print; each command must succeed. What they leave running is ended."""
    script = "\n".join(block.text for block in found if block.reason_not_to_run is None)
    process = subprocess.Popen(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(ESPER_RPC_PORT="0", ESPER_PORT="0", **variables),
        start_new_session=True,
    )
    try:
        told, said = process.communicate(timeout=PAGE_PATIENCE_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 0, told + said
    return told
