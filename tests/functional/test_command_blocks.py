"""Every command block of README and docs, executed as it stands.

Blocks labelled `sh` are commands; a page's are run one after the other in one shell, as a reader
would, in a folder that looks like the repository.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.node.node_process import BIN, running
from tests.support.page_blocks import NOT_RUN, PAGES, ROOT, blocks, execute, fences

pytestmark = pytest.mark.nodes

LABELS = {"sh", "text", "toml", "json", "python", "js", "diff", "{toctree}"}


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
        assert re.search(r"^block \d+ +[0-9a-f]{128}$", told, re.MULTILINE), told
        assert "proof " in told
        assert re.search(r"valid: 1\d\d\.\d bits", told), told
        assert "3 blocks valid" in told
        assert "available  1.5 ESP" in told
        datadir = {"ESPER_DATADIR": "devnet-data/node1"}
        told = execute(blocks(ROOT / "docs" / "wallet.md"), checkout, **datadir)
        assert "available  12.5 ESP" in told
        told = execute(blocks(ROOT / "docs" / "rpc.md"), checkout, **datadir)
        assert '"done":true' in told.replace(" ", "")
        told = execute(blocks(ROOT / "docs" / "start.md"), checkout)
        assert re.search(r"^ok   proof    1\d\d\.\d bits", told, re.MULTILINE), told
        told = execute(blocks(ROOT / "docs" / "mine.md"), checkout)
        assert re.search(r"^block \d+ +[0-9a-f]{128}$", told, re.MULTILINE), told


def test_a_page_of_a_node_s_life(checkout: Path) -> None:
    told = execute(blocks(ROOT / "docs" / "run-a-node.md"), checkout)
    assert "esper_chain_height 3" in told
    assert '"status":"ready"' in told
    assert "3 blocks valid" in told


def test_the_page_of_verifying(checkout: Path) -> None:
    told = execute(blocks(ROOT / "docs" / "verify.md"), checkout)
    assert len(re.findall(r"valid: 1\d\d\.\d bits", told)) == 1


def test_the_page_of_a_vote_and_that_of_the_dao(checkout: Path) -> None:
    told = execute(blocks(ROOT / "docs" / "vote.md"), checkout)
    assert "the next block would take it" in told
    assert "yes 20 ESP, no 0 ESP, abstain 0 ESP; the vote is over" in told
    assert re.search(r"^acts +at \d+$", told, re.MULTILINE), told
    assert "it is what its proposal says" in told
    # With the stake of the page before.
    told = execute(blocks(ROOT / "docs" / "dao.md"), checkout)
    assert "the next block would take it; the least bond is 1 ESP" in told
    assert "yes 20 ESP, no 0 ESP, abstain 0 ESP; passing" in told
    assert "proposal 2  20 ESP  yes" in told
    assert re.search(r"^dao +at \d+, proposal [12]: ", told, re.MULTILINE), told


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


def test_the_page_of_benchmarks(checkout: Path) -> None:
    told = execute(blocks(ROOT / "docs" / "benchmarks.md"), checkout)
    assert "right      37 of 120" in told
    assert "guessing gives 25.0%" in told
    assert "item 3: wrong" in told
    # Of the text, and of the suite that was made from it.
    assert told.count("69d2695538b60c19") == 3


def test_the_page_of_scaling(checkout: Path) -> None:
    told = execute(blocks(ROOT / "docs" / "scaling.md"), checkout)
    assert re.search(r"^memory +2\.2 GiB at the peak", told, re.MULTILINE), told
    assert '"segments": [' in told
    assert "at 30 s " in told


def test_page_of_events_against_regtest(checkout: Path) -> None:
    datadir = checkout / "devnet-data" / "told"
    datadir.parent.mkdir(exist_ok=True)
    with running("node", datadir, "--network", "regtest", cwd=checkout):
        variables = {"ESPER_DATADIR": "devnet-data/told"}
        told = execute(blocks(ROOT / "docs" / "events.md"), checkout, **variables)
    assert re.search(r"^1 block 1$", told, re.MULTILINE), told
    assert '"topic":"block"' in told


def test_the_page_of_the_gateway(checkout: Path) -> None:
    variables = {"ESPER_DATADIR": "devnet-data/keys"}
    told = execute(blocks(ROOT / "docs" / "gateway.md"), checkout, **variables)
    assert re.search(r"^esk_\w{8}_\w{43}$", told, re.MULTILINE), told
    assert "0 spent and 0 reserved of 5000000 \u00b5credits this month" in told


def test_no_page_has_commands_that_nobody_runs() -> None:
    names = ["wallet", "rpc", "node", "demo-tamper", "packages", "dao", "events", "gateway"]
    names += ["start", "run-a-node", "mine", "verify", "vote", "benchmarks", "scaling"]
    run = {"README.md", *(f"docs/{name}.md" for name in names)}
    for page in PAGES:
        for block in blocks(page):
            assert block.page in run or block.reason_not_to_run, f"{block.page}:{block.line}"
