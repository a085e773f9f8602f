"""The Python blocks of docs/openai.md, by OpenAI's own client against a node's gateway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.node.node_process import BIN, PATIENCE_S, environment, running, until
from tests.support.page_blocks import ROOT, blocks

pytestmark = pytest.mark.nodes

PAGE = ROOT / "docs" / "openai.md"
ADDRESS = "http://127.0.0.1:9334"
"""Of the node, on the page."""
PROMISED = 3
"""Status of `esper verify` for a promise: nothing is proven yet."""


def answers(url: str) -> bool | None:
    """Whether the gateway has a model; None: not yet."""
    return bool(httpx.get(f"{url}/v1/models").json()["data"]) or None


def test_blocks_of_the_page_are_python() -> None:
    found = blocks(PAGE, "python")
    assert len(found) == 4
    for block in found:
        compile(block.text, f"{block.page}:{block.line}", "exec")


def test_blocks_of_the_page_against_a_node(tmp_path: Path) -> None:
    code = "\n".join(block.text for block in blocks(PAGE, "python"))
    assert ADDRESS in code
    with running("node", tmp_path / "node", "--network", "regtest", gateway=True) as node:
        url = node.url.rstrip("/")
        until("a model that answers", lambda: answers(url))
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code.replace(ADDRESS, url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env=environment(),
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "instant" in done.stdout
    assert done.stdout.endswith("unsupported_value temperature\n")
    checked = subprocess.run(
        [BIN / "esper", "verify", tmp_path / "answer.json", "--tokenizer", "genesis"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment(),
    )
    assert checked.returncode == PROMISED, checked.stdout + checked.stderr
