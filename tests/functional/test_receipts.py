"""A receipt's way: asked for at a node that mines, checked where nobody can be asked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from esper.receipts.form import decode_receipt
from tests.functional.test_node_cli import NETWORK, confirmed
from tests.support.node.node_process import (
    BIN,
    PATIENCE_S,
    User,
    environment,
    running,
    wait_for_balance,
    wait_for_credits,
)

pytestmark = pytest.mark.nodes

COIN = 10**8


def verify(file: Path, *arguments: str | Path) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit status and links, by a command that knows no node of its own."""
    done = subprocess.run(
        [BIN / "esper", "verify", file, "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment(),
    )
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["exit"] == done.returncode
    links = {one["name"]: (one["status"], one["detail"]) for one in document["links"]}
    return done.returncode, links


def test_a_receipt_from_the_chain_and_offline(tmp_path: Path) -> None:
    datadir, file = tmp_path / "node", tmp_path / "answer.json"
    owner = User(datadir, "a long password", wallet="alice")
    owner.run("wallet", "new", *NETWORK, "--wallet", "alice")
    alice = owner.json("wallet", "address")["addresses"][0]["address"]

    with running("mine", datadir, *NETWORK, "--payee", alice) as node:
        wait_for_balance(datadir, alice, 30 * COIN)
        confirmed(owner, owner.json("stake", "20", "--yes")["txid"])
        wait_for_credits(datadir, alice, 10_000)
        called = owner.json(
            *("call", "The little dog", "--max-tokens", "12", "--yes"),
            *("--receipt", file, "--final"),
        )
        assert called["receipt"]["anchor"] >= called["height"] + 6
        assert called["receipt"]["bytes"] == file.stat().st_size
        assert called["receipt"]["lacking"] == ""

        status, links = verify(file, "--node", node.url)
        assert (status, links["chain"][0], links["paid"][0]) == (0, "ok", "ok"), links
        assert "the node's word" in links["chain"][1]
        # Once more, of a call that is long answered; nothing is written over unasked.
        assert "exists already" in owner.run("proof", called["txid"], "--receipt", file, status=1)
        again = tmp_path / "again.json"
        owner.run("proof", called["txid"], "--receipt", again)
        assert verify(again)[0] == 0
        assert node.end() == 0

    status, links = verify(file)
    assert status == 0, links
    assert {name: one for name, (one, _) in links.items() if one != "ok"} == {
        "instant": "absent",
        **dict.fromkeys(("chain", "paid"), "open"),
    }
    assert links["text"] == ("ok", "encodes to the same tokens")
    tip = links["chain"][1].removeprefix("compare --tip ")
    assert verify(file, "--tip", tip)[1]["chain"] == (
        *("ok", f"under height {tip.partition(':')[0]}, by --tip"),
    )
    height = tip.partition(":")[0]
    status, links = verify(file, "--tip", f"{height}:{'00' * 64}")
    assert (status, links["chain"][0]) == (1, "fail")
    status, links = verify(file, "--strict", "--datadir", datadir)
    assert status == 0, links
    assert links["chain"] == ("ok", f"under height {height}, by the chain followed from genesis")
    assert links["paid"][0] == "ok"
    assert decode_receipt(file.read_bytes()).work is not None
