"""Hidden sets on regtest: committed to, drawn of, opened, proven, paid, and a vote that opens.

Real processes and real proofs of a small model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esper.rpc.methods import DAO_GET, DAO_LIST, DAO_ROUNDS, DAO_SET, GET_TRANSACTION
from esper.rpc.schema import (
    NoParams,
    ProposalParams,
    RoundReply,
    RoundsParams,
    SetParams,
    SetReply,
    TransactionParams,
)
from tests.support.benchmark_texts import CHOICE, EXACT, lines_of
from tests.support.net.network_process import NetworkNode
from tests.support.node.node_process import PATIENCE_S, User, ask, running, until
from tests.support.second_model import TICKET, second_model

pytestmark = pytest.mark.nodes

NETWORK = ("--network", "regtest")
COIN = 10**8
BOND = COIN // 2
ITEMS = 200
MINED_S = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return second_model(tmp_path / "second")


@pytest.fixture
def node(tmp_path: Path, folder: Path) -> Iterator[NetworkNode]:
    """One that mines, pays the demo wallet, and has the package of the second model."""
    datadir = tmp_path / "miner"
    with running("mine", datadir, *NETWORK, "--blocks", "1") as first:
        until("the first block", lambda: first.process.poll() is not None or None, PATIENCE_S)
    owner = User(datadir, "demo", wallet="demo")
    owner.run("wallet", "import", *NETWORK, "--demo")
    packing = ("model", "pack", folder, "--bank", "genesis", "--ticket", TICKET, *NETWORK)
    owner.run(*packing, "--into", datadir)
    with running("node", datadir, *NETWORK) as found:
        yield NetworkNode(found)


def hard(tmp_path: Path, name: str) -> Path:
    """Questions that a model with weights at random does not answer."""
    items = [
        {"question": f"{name} {at} is", "answer": "the seventh of november"} for at in range(ITEMS)
    ]
    return written(tmp_path / f"{name}.jsonl", EXACT, items)


def easy(tmp_path: Path, name: str) -> Path:
    """Choices of which it gets some right."""
    items = [
        {"question": f"{name} {at} is", "choices": [" a", " b"], "answer": at % 2}
        for at in range(ITEMS)
    ]
    return written(tmp_path / f"{name}.jsonl", CHOICE, items)


def written(file: Path, head: dict[str, Any], items: list[dict[str, Any]]) -> Path:
    file.write_bytes(lines_of(head, *items))
    return file


def sent(person: User, node: NetworkNode, *arguments: str | Path) -> str:
    txid: str = person.json(*arguments, "--yes")["txid"]
    until_in_a_block(node, txid)
    return txid


def until_in_a_block(node: NetworkNode, *txids: str) -> None:
    for _ in range(3):
        node.generate(1)
        found = [ask(node.datadir, GET_TRANSACTION, TransactionParams(one)) for one in txids]
        if all(one.status == "confirmed" for one in found):
            return
    raise AssertionError(f"no block has all of {txids}: {node.node.told}")


def grow_to(node: NetworkNode, height: int) -> None:
    if (missing := height - node.status().height) > 0:
        node.generate(missing)


def committed(person: User, node: NetworkNode, folder: Path, file: Path) -> str:
    about = ("--set", file, "--model", folder, "--bond", "0.5")
    return sent(person, node, "dao", "curate", "commit", *about)


def held(node: NetworkNode, set_id: str) -> SetReply:
    return ask(node.datadir, DAO_SET, SetParams(set_id)).set


def rounds(node: NetworkNode, proposal: str) -> list[RoundReply]:
    return ask(node.datadir, DAO_ROUNDS, RoundsParams(proposal)).rounds


def next_height(node: NetworkNode, proposal: str) -> int:
    return ask(node.datadir, DAO_GET, ProposalParams(proposal)).live.next


def proposed(owner: User, node: NetworkNode, folder: Path, bond: str) -> str:
    """The second model, proposed and voted on."""
    proposal = sent(
        *(owner, node, "dao", "propose", "--model", folder, "--tier", "0"),
        *("--name", "second", "--licence", "MIT", "--bond", bond),
    )
    sent(owner, node, "dao", "vote", proposal, "yes")
    return proposal


def until_drawn(node: NetworkNode, proposal: str, number: int) -> RoundReply:
    """Mine until a round is open, or is over; it."""
    while rounds(node, proposal)[number].state == "to-come":
        grow_to(node, next_height(node, proposal))
    return rounds(node, proposal)[number]


def test_a_model_is_measured_and_a_vote_opens_by_itself(
    tmp_path: Path, folder: Path, node: NetworkNode
) -> None:
    datadir = node.datadir
    owner, silent = User(datadir, "demo", wallet="demo"), User(datadir, "quiet", wallet="silent")
    address = silent.json("wallet", "new", *NETWORK)["addresses"][0]["address"]
    grow_to(node, 11)
    sent(owner, node, "stake", "20")
    sent(owner, node, "send", address, "1")
    texts = (hard(tmp_path, "one"), hard(tmp_path, "two"), easy(tmp_path, "three"))
    sets = [committed(owner, node, folder, one) for one in texts]
    lost = committed(silent, node, folder, easy(tmp_path, "four"))
    listed = owner.json("dao", "curate", "list")
    assert len(listed["kept"]) == 4
    assert held(node, sets[0]).state == "idle"
    grow_to(node, 20)

    # Whoever is right less often than one in ten is voted on again.
    theta = ("dao", "propose", "--set", "hidden_threshold_per_mille=100", "--bond", "1")
    change = sent(owner, node, *theta)
    sent(owner, node, "dao", "vote", change, "yes")
    proposal = proposed(owner, node, folder, "3")
    assert held(node, sets[0]).state == "awaited"
    refused = owner.run("dao", "curate", "withdraw", sets[0], "--yes", status=1)
    assert "a model that is under way waits for it" in refused

    # The first round draws of all four; one curator says nothing.
    assert until_drawn(node, proposal, 0).state == "open"
    pays = int(ask(datadir, DAO_ROUNDS, RoundsParams(proposal)).pays)
    told = owner.json("dao", "curate", "open", "--model", folder, "--yes")["sets"]
    assert [one["set"] for one in told] == sets
    assert [one["proven"] for one in told] == [2, 2, 2]
    assert [one["right"] for one in told[:2]] == [0, 0]
    until_in_a_block(node, *(txid for one in told for txid in one["txids"]))
    again = ("dao", "curate", "open", sets[0], "--model", folder, "--yes")
    assert "all that was drawn" in owner.run(*again, status=1)
    first = rounds(node, proposal)[0]
    assert first.height is not None
    grow_to(node, first.height)
    first = rounds(node, proposal)[0]
    assert (first.state, first.rollback, first.threshold) == ("judged", None, 0)
    assert [(one.set, one.complete) for one in first.sets] == [
        *((one, True) for one in sets),
        (lost, False),
    ]
    assert [int(one.earned) for one in first.sets] == [2 * (pays // 6)] * 3 + [0]
    assert [int(one.burned) for one in first.sets] == [0, 0, 0, BOND]
    [entry] = [one for one in told if one["set"] == sets[2]]
    assert {one.txid for one in first.sets[2].drawn} == set(entry["txids"])
    gone = held(node, lost)
    assert (gone.state, gone.returned, gone.burned) == ("ended", "0", str(BOND))
    assert "judged: the lower median of 3 sets" in owner.run("dao", "show", proposal)

    # Behind its activation two of three scores are none, and one in ten is asked by now.
    until("the model to be rehearsed", lambda: "runs here" in node.node.told or None, MINED_S)
    assert until_drawn(node, proposal, 1).state == "open"
    told = owner.json("dao", "curate", "open", "--model", folder, "--yes")["sets"]
    until_in_a_block(node, *(txid for one in told for txid in one["txids"]))
    second = rounds(node, proposal)[1]
    assert second.height is not None
    grow_to(node, second.height)
    second = rounds(node, proposal)[1]
    assert (second.state, second.median, second.threshold) == ("judged", "0/1", 100)
    assert second.rollback is not None
    opened = {one.id: one for one in ask(datadir, DAO_LIST, NoParams()).proposals}
    auto = opened[second.rollback]
    assert (auto.subject, auto.open, auto.bond) == ("rollback", True, "0")
    assert proposal[:16] in auto.about

    # No model waits for the sets any more: one is taken back.
    assert held(node, sets[0]).state == "idle"
    sent(owner, node, "dao", "curate", "withdraw", sets[0])
    back = held(node, sets[0])
    assert (back.state, back.returned, back.burned) == ("ended", str(BOND), "0")
    assert int(back.earned) == 4 * (pays // 6)


def test_too_little_is_unjudged_in_words(tmp_path: Path, folder: Path, node: NetworkNode) -> None:
    owner = User(node.datadir, "demo", wallet="demo")
    grow_to(node, 11)
    sent(owner, node, "stake", "20")
    sets = [committed(owner, node, folder, hard(tmp_path, one)) for one in ("one", "two")]
    grow_to(node, 20)
    proposal = proposed(owner, node, folder, "2")
    found = until_drawn(node, proposal, 0)
    assert (found.state, found.sets, found.median) == ("unjudged", [], None)
    assert found.words == (
        "unjudged: 2 hidden sets, a round needs 3; nothing follows for the model"
    )
    assert found.words in owner.run("dao", "show", proposal)
    assert [held(node, one).bond for one in sets] == [str(BOND)] * 2
    assert owner.json("dao", "curate", "open", "--model", folder, "--yes") == {"sets": []}
