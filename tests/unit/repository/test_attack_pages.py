"""The pages of attacks name tests that exist, and a test for each attack that is planned for."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
THREATS = ROOT / "docs" / "threats.md"
FAULTS = ROOT / "docs" / "faults.md"
PAGES = [*sorted((ROOT / "docs").glob("attack-reading*.md")), THREATS, FAULTS]
DAO_PAGE = ROOT / "docs" / "attack-reading-dao.md"
NAMED = re.compile(r"`(\w+):(test_\w+)`")
"""Words of a file's name, and a test in it."""

RUST_FILE = re.compile(r"`([\w/]+\.rs)`")
"""A file of tests in the Rust workspace."""

NOT_PREVENTED = "bribes"
ATTACKS = (
    "proposal spam",
    "coins unstaked, moved",
    "delegated twice",
    "thin electorate",
    "the quorum falls",
    "swing in the last block",
    NOT_PREVENTED,
    "a vote for another network",
    "a proof of readiness of another sender",
    "nodes that executed a branch",
    "a long light branch",
    "a reorganisation over every step",
    "jitter chosen",
    "faked readiness",
    "miners' boycott",
    "a model too large to be a block",
    "no tier left",
    "a tier gone in a trial",
    "hang in `minimum_salt`",
    "tiny omega",
    "layers that do nothing",
    "mispriced tier",
    "heavy model held at Tmax",
    "a vote makes calls unprovable",
    "ratchet",
    "bounds that the weights exceed",
    "a model that is blind to its salt",
    "bank poisoned",
    "chunks withheld, or false",
    "a new tier for its proposer alone",
    "junk in the places of proofs",
)
"""How the row of each attack on the DAO begins that its plan names."""

FACES = (
    "a receipt forged",
    "a stranger's model",
    "another network, a lost branch",
    "a promise with a false height",
    "a receipt that is a bomb",
    "the verifier of browsers swapped",
    "a budget raced",
    "a crash, a lapse, a reorganisation",
    "credits drained",
    "a proxy makes the whole world local",
    "another site's POST",
    "an output that ends an event",
    "keys guessed",
    "prompts in logs",
    "others' receipts",
    "published unasked",
    "a body, head, reader that is large",
    "storms of retries",
    "special tokens in a prompt",
    "bad UTF-8",
    "ZeroMQ or metrics exposed",
    "a webhook that calls the inside",
    "a gateway lies, or denies",
)
"""How the row of each attack on receipts, gateway, events and pages begins."""

MARKET = (
    "a smaller model, a cached or stale answer",
    "one claim in many Beats, many claims in one, statuses twice",
    "a root made after the draw; a reply left out",
    "dilution by sessions with oneself",
    "old acknowledgements, those of another network",
    "two answers to one turn",
    "price raised under a session",
    "a prompt guessed from its root",
    "data withheld from verifiers",
    "silent verifiers of the payer",
    "reports invented, copied or lazy",
    "verifiers that collude",
    "verifiers dead, the roster empty, draws voided on purpose",
    "cheap claims that burden verifiers",
    "load that is said and not done",
    "one machine as ten identities",
    "a swarm without bonds, spam of state",
    "one owner's roster that makes a claim read without end",
    "a reply taken and gone, places filled, an acknowledgement withheld",
    "more claimed than the session holds, or after its end",
    "money taken before a fault is shown, then leaving",
    "slashing oneself, stolen evidence, spam of accusations",
    "the place of audits kept full",
    "a provider that rates itself",
    "escrow that is stuck; a payer that closes early",
    "a model that is retired in a session",
    "washing, ratings that are bought",
    "a beacon or a drawn height ground by a miner",
    "a reorganisation over a drawn height, a draw, a Settle",
    "bodies and Beats filled",
    "hostile bytes in any record",
    "frames without end, slow readers",
)
"""How the row of each attack on the instant market begins."""


@cache
def names_by_file() -> dict[str, list[set[str]]]:
    """Names of the functions in each file of tests, by the file's stem, which two may share."""
    found: dict[str, list[set[str]]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        names = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        found.setdefault(path.stem, []).append(names)
    return found


def is_there(words: str, test: str) -> bool:
    """Whether a file whose name has these words has the test."""
    stems = [stem for stem in names_by_file() if words in stem]
    return any(test in names for stem in stems for names in names_by_file()[stem])


def rows_of(page: Path, beginning: str) -> list[str]:
    return [line for line in page.read_text().splitlines() if line.startswith(f"| {beginning}")]


def named(text: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in NAMED.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    missing = [one for one in named(page.read_text()) if not is_there(*one)]
    assert not missing


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_on_the_dao_has_a_test(attack: str) -> None:
    [row] = rows_of(DAO_PAGE, attack)
    assert bool(named(row)) == (attack != NOT_PREVENTED)


@pytest.mark.parametrize("attack", FACES)
def test_each_attack_on_the_faces_has_a_test(attack: str) -> None:
    [row] = rows_of(THREATS, attack)
    assert named(row)


@pytest.mark.parametrize("attack", MARKET)
def test_each_attack_on_the_market_has_a_row(attack: str) -> None:
    [row] = rows_of(FAULTS, attack)
    assert named(row) or row.endswith("| – |")


@pytest.mark.parametrize("page", [THREATS, FAULTS], ids=lambda page: page.stem)
def test_every_threat_has_a_test_or_says_that_none_shows_it(page: Path) -> None:
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    for row in rows:
        if "| test |" not in row:
            assert named(row) or RUST_FILE.search(row) or row.endswith("| – |"), row


def test_rust_files_of_the_threats_exist() -> None:
    found = RUST_FILE.findall(THREATS.read_text())
    assert found
    for file in found:
        assert (ROOT / "native" / "stark_verifier" / file).is_file(), file


def test_a_name_that_is_nowhere_is_noticed() -> None:
    here = "test_a_name_that_is_nowhere_is_noticed"
    assert is_there("attack_pages", here)
    assert not is_there("attack_pages", here + "_at_all")
    assert not is_there("attack_pages", "test_salt_that_never_ends")
