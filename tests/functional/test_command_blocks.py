"""Every command block of README and docs, executed as it stands.

Blocks labelled `sh` are commands; a page's are run one after the other in one shell, as a reader
would, in a folder that looks like the repository.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.node.node_process import BIN, PATIENCE_S, environment, running

pytestmark = pytest.mark.serial

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
LABELS = {"sh", "text", "toml", "json", "python", "js", "diff", "{toctree}"}
PAGE_PATIENCE_S = 3 * PATIENCE_S

NOT_RUN = {
    "esper model fetch 7": "a proposal under way; tests/functional/test_rotation.py follows one",
    "esper dao ready $ID --sign": "past a vote; tests/functional/test_cold_payee.py does it",
    "make devnet": "runs for ever: what it runs is what the other blocks run against",
    "make test": "is what runs this test",
    "make wheel": "compiles three times: tests/functional/test_wheel.py makes one of what is built",
    "apt-get install": "changes the machine",
    "pip install '.[torch]'": "gigabytes, and two hours of training behind it",
    "make smollm2": "fetches a hundred megabytes: tests/unit/repository/test_make_smollm2.py",
    "esper model export genesis/model": "writes the genesis model, whose bytes are pinned",
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


def blocks(page: Path) -> list[CommandBlock]:
    name = str(page.relative_to(ROOT))
    return [CommandBlock(name, line, text) for label, line, text in fences(page) if label == "sh"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository's own files, and room for what commands write."""
    folder = tmp_path_factory.mktemp("checkout")
    for entry in ROOT.iterdir():
        if entry.name not in {".git", "devnet-data"}:
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").unlink(missing_ok=True)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(BIN)
    return folder


def execute(found: Sequence[CommandBlock], folder: Path, **variables: str) -> str:
    """What a page's blocks print; each command must succeed."""
    script = "\n".join(block.text for block in found if block.reason_not_to_run is None)
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PAGE_PATIENCE_S,
        env=environment(ESPER_RPC_PORT="0", ESPER_PORT="0", **variables),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_block_says_what_it_is() -> None:
    for page in PAGES:
        for label, line, _ in fences(page):
            assert label in LABELS, f"{page.name}:{line}: label {label!r}"


def test_every_exception_is_still_there() -> None:
    firsts = [block.first for page in PAGES for block in blocks(page)]
    for start in NOT_RUN:
        if start != "make test":
            assert any(first.startswith(start) for first in firsts), start


def test_the_two_commands_are_targets() -> None:
    [devnet, *_] = blocks(ROOT / "README.md")
    named = [line.split("#")[0].strip() for line in devnet.text.splitlines()]
    assert named == ["make devnet", "make test"]
    for command in named:
        made = subprocess.run(
            [*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert made.stdout


def test_readme_wallet_and_rpc_pages_against_a_devnet(checkout: Path) -> None:
    first = checkout / "devnet-data" / "node1"
    first.parent.mkdir()
    with running("mine", first, "--network", "devnet", cwd=checkout):
        told = execute(blocks(ROOT / "README.md"), checkout)
        assert re.search(r"^block \d+  [0-9a-f]{128}$", told, re.MULTILINE), told
        assert "proof " in told
        assert re.search(r"valid: 1\d\d\.\d bits", told), told
        assert "3 blocks valid" in told
        assert "available  1.5 ESP" in told
        datadir = {"ESPER_DATADIR": "devnet-data/node1"}
        told = execute(blocks(ROOT / "docs" / "wallet.md"), checkout, **datadir)
        assert "available  12.5 ESP" in told
        told = execute(blocks(ROOT / "docs" / "rpc.md"), checkout, **datadir)
        assert '"done":true' in told.replace(" ", "")


def test_pages_of_the_node(checkout: Path) -> None:
    told = execute(blocks(ROOT / "docs" / "node.md"), checkout)
    assert "2 blocks valid" in told
    told = execute(blocks(ROOT / "docs" / "demo-tamper.md"), checkout)
    assert "ACCEPTED" not in told
    assert len(re.findall(r"^ +refused: ", told, re.MULTILINE)) == 10
    assert told.rstrip().endswith("refused")


def test_the_page_of_packages(checkout: Path) -> None:
    told = execute(blocks(ROOT / "docs" / "packages.md"), checkout)
    assert "right    salt: 256 prompts behind two salts" in told
    assert '"refused": false' in told


def test_page_of_the_dao_against_regtest(checkout: Path) -> None:
    datadir = checkout / "devnet-data" / "regtest"
    datadir.parent.mkdir(exist_ok=True)
    with running("node", datadir, "--network", "regtest", cwd=checkout):
        variables = {"ESPER_DATADIR": "devnet-data/regtest"}
        told = execute(blocks(ROOT / "docs" / "dao.md"), checkout, **variables)
    assert "the next block would take it; the least bond is 1 ESP" in told
    assert "yes 20 ESP, no 0 ESP, abstain 0 ESP; passing" in told
    assert "proposal 1  20 ESP  yes" in told
    assert re.search(r"^dao +at \d+, proposal 1: ", told, re.MULTILINE), told


def test_no_page_has_commands_that_nobody_runs() -> None:
    names = ("wallet", "rpc", "node", "demo-tamper", "packages", "dao")
    run = {"README.md", *(f"docs/{name}.md" for name in names)}
    for page in PAGES:
        for block in blocks(page):
            assert block.page in run or block.reason_not_to_run, f"{block.page}:{block.line}"
