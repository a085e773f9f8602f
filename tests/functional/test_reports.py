"""Reports on a model on regtest: one is claimed, drawn, proven and stands; a false one ends.

Real processes and real proofs of a small model.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from esper.rpc.methods import DAO_REPORT, GET_TRANSACTION
from esper.rpc.schema import ReportParams, ReportReply, TransactionParams
from tests.support.net.network_process import NetworkNode
from tests.support.node.node_process import BIN, PATIENCE_S, ask, environment, running, until
from tests.support.second_model import TICKET, second_model

pytestmark = pytest.mark.nodes

NETWORK = ("--network", "regtest")
HONEST = (BIN / "esper",)
LYING = (sys.executable, Path(__file__).parents[1] / "support" / "programs" / "lying_reporter.py")
COIN = 10**8
BOND = COIN // 4
HEAD = {
    "benchmark": 1,
    "form": "choice",
    "name": "letters",
    "source": "written here",
    "licence": "CC0-1.0",
    "prompt": "{question}",
}


@dataclass
class Person:
    """Somebody with a wallet, at a node."""

    datadir: Path
    wallet: str
    program: tuple[str | Path, ...] = HONEST

    def run(self, *arguments: str | Path, status: int = 0) -> str:
        known = {
            "ESPER_DATADIR": str(self.datadir),
            "ESPER_WALLET": self.wallet,
            "ESPER_PASSWORD": "demo",
        }
        done = subprocess.run(
            [*self.program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env=environment(**known),
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return second_model(tmp_path / "second")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Twelve questions; the model's weights are at random, and so are its answers."""
    items = [
        {"question": f"{word} is", "choices": [" a", " b", " c"], "answer": 1} for word in WORDS
    ]
    file = tmp_path / "letters.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in (HEAD, *items)))
    return file


WORDS = (
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NetworkNode]:
    datadir = tmp_path / "miner"
    with running("mine", datadir, *NETWORK, "--blocks", "1") as first:
        until("the first block", lambda: first.process.poll() is not None or None, PATIENCE_S)
    with running("node", datadir, *NETWORK) as found:
        yield NetworkNode(found)


def sent(person: Person, node: NetworkNode, *arguments: str | Path) -> str:
    txid: str = person.json(*arguments, "--yes")["txid"]
    until_in_a_block(node, txid)
    return txid


def until_in_a_block(node: NetworkNode, txid: str) -> None:
    for _ in range(3):
        node.generate(1)
        if ask(node.datadir, GET_TRANSACTION, TransactionParams(txid)).status == "confirmed":
            return
    raise AssertionError(f"no block has {txid}: {node.node.told}")


def grow_to(node: NetworkNode, height: int) -> None:
    if (missing := height - node.status().height) > 0:
        node.generate(missing)


def shown(node: NetworkNode, report: str) -> ReportReply:
    return ask(node.datadir, DAO_REPORT, ReportParams(report)).report


def test_a_true_report_stands_and_a_false_one_is_refuted(
    tmp_path: Path, folder: Path, suite: Path, node: NetworkNode
) -> None:
    datadir = node.datadir
    owner, liar = Person(datadir, "demo"), Person(datadir, "liar", LYING)
    owner.run("wallet", "import", *NETWORK, "--demo")
    address = liar.json("wallet", "new", *NETWORK)["addresses"][0]["address"]
    items = tmp_path / "letters.suite"
    owner.run("bench-model", folder, "--suite", suite, "--write-suite", items, *NETWORK)
    owner.run("model", "pack", folder, "--bank", "genesis", "--ticket", TICKET, *NETWORK)
    grow_to(node, 11)
    sent(owner, node, "stake", "20")
    sent(owner, node, "send", address, "4")
    grow_to(node, 20)
    proposal = sent(
        *(owner, node, "dao", "propose", "--model", folder, "--tier", "0", "--suite", items),
        *("--name", "second", "--licence", "MIT", "--bond", "2"),
    )

    # Both are asked about the same suite; one says something else of its first item.
    about = ("--suite", suite, "--proposal", proposal, "--bond", "0.25")
    true = sent(owner, node, "dao", "report", folder, *about)
    false = sent(liar, node, "dao", "report", folder, *about)
    assert shown(node, true).state in ("waits", "sampled")
    found = shown(node, false)
    assert (found.bond, found.items) == (str(BOND), len(WORDS))
    assert abs(found.right - shown(node, true).right) == 1

    # Somebody else proves what is drawn of the true one, with model and suite.
    drawn = shown(node, true)
    if drawn.next is not None and not drawn.sample:
        grow_to(node, drawn.next)
    told = liar.json("dao", "report", folder, "--suite", items, "--prove", true, "--yes")
    [proof] = told["txids"]

    # Anyone finds the false item by asking, and proves it.
    nothing = owner.run("dao", "refute", true, "--yes", status=1)
    assert f"all {len(WORDS)} items are as the report says" in nothing
    before = shown(node, false)
    assert before.state in ("waits", "sampled")
    refutation = owner.json("dao", "refute", false, folder, "--suite", items, "--yes")["txid"]
    until_in_a_block(node, refutation)
    ended = shown(node, false)
    assert (ended.state, ended.returned, ended.burned) == ("refuted", "0", str(BOND - BOND // 2))
    assert ended.refuted is not None
    assert (ended.refuted.item, ended.refuted.share) == (0, str(BOND // 2))
    assert ended.refuted.by.txid == refutation

    proven = shown(node, true)
    assert [one.by and one.by.txid for one in proven.sample] == [proof]
    if proven.state == "sampled":
        assert proven.next is not None
        grow_to(node, proven.next)
    assert shown(node, true).state == "stands"
    close = owner.json("dao", "show", proposal)["closes"]
    sent(owner, node, "dao", "vote", proposal, "yes")
    grow_to(node, close)
    settled = shown(node, true)
    assert (settled.state, settled.returned, settled.burned) == ("settled", str(BOND), "0")
    assert [one.by and one.by.prover for one in settled.sample] == [address]
    assert proposal in owner.run("dao", "list", "--json")
