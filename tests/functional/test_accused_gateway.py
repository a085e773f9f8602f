"""A gateway that lies is caught: its signed answer costs it its stake and what it unstaked.

Real processes, sockets and proofs. The lie is told by a serving process of other weights, which
stands in tests alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from esper.node.datadir import GATEWAY_FILE
from esper.primitives.networks import NETWORKS
from tests.functional.test_gateway import (
    PROMPT,
    PROVEN,
    GatewayNode,
    altered,
    gateway,
)
from tests.functional.test_receipts import verify
from tests.support.node.node_process import User, until

pytestmark = pytest.mark.nodes

NETWORK = ("--network", "regtest")
COIN = 10**8
KEY = bytes(range(32))
"""Seed of the gateway's key."""
PENALTY = NETWORKS["regtest"].governance.penalty
STAKED, UNSTAKED = COIN * 4 // 10, COIN * 3 // 10


def sent(user: User, node: GatewayNode, *words: str) -> str:
    """Hand something in and have it in a block; its id."""
    txid: str = user.json(*words, "--yes")["txid"]
    node.generate(2)
    assert user.json("tx", txid)["transaction"]["status"] == "confirmed"
    return txid


def account(node: GatewayNode, address: str) -> dict[str, Any]:
    found: dict[str, Any] = node.ask("get_account", address=address)
    return found


def events(node: GatewayNode, address: str, what: str) -> list[tuple[str, str, str]]:
    """Amount, other side and transaction of an address's events of one kind."""
    found = node.ask("get_history", address=address)["events"]
    return [(one["amount"], one["other"], one["txid"]) for one in found if one["what"] == what]


def issued(node: GatewayNode) -> int:
    return int(node.ask("get_status")["issued"])


def promised(node: GatewayNode, file: Path) -> Path:
    """The receipt of a fresh answer, which its gateway signed and no block has."""
    with node.client() as client:
        made = client.completions.create(
            model="esper-t0", prompt=PROMPT, max_tokens=12, extra_body=PROVEN
        )
    call = made.model_extra["esper"]["id"]  # type: ignore[index]
    node.becomes(call, "submitted")
    return node.receipt(call, file)


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Path, str, str]:
    """A data directory whose gateway has a stake, its address, and that of an accuser.

    The gateway's key is a wallet's as well, which stakes with it.
    """
    datadir, seed = tmp_path / "gateway", tmp_path / "seed"
    owner = User(datadir, "demo", wallet="demo")
    liar = User(datadir, "its password", wallet="liar")
    accuser = User(datadir, "its password", wallet="accuser")
    with gateway(datadir, "--gateway", "off") as node:
        owner.run("wallet", "import", "--demo", *NETWORK)
        accuser.run("wallet", "new", *NETWORK, "--wallet", "accuser")
        seed.write_text(KEY.hex())
        liar.run("wallet", "import", seed, *NETWORK, "--wallet", "liar")
        address, own = (
            one.json("wallet", "address")["addresses"][0]["address"] for one in (liar, accuser)
        )
        node.generate(7)
        sent(owner, node, "stake", "20")
        sent(owner, node, "send", address, "2")
        sent(owner, node, "send", own, "2")
        sent(liar, node, "stake", "0.7")
        sent(liar, node, "unstake", "0.3")
        sent(owner, node, "credits", "send", address, "20")
        assert node.node.end() == 0
    file = datadir / GATEWAY_FILE
    file.touch(0o600)
    file.write_bytes(KEY)
    # It does not serve when another has used its key, before its operator has said that it may.
    with gateway(datadir) as node:
        until("the gateway to stop", lambda: "elsewhere" in _warnings(node) or None)
        assert node.node.end() == 0
    liar.run("key", "resume", "--next-nonce", "2", "--yes", *NETWORK)
    return datadir, address, own


def _warnings(node: GatewayNode) -> str:
    return " ".join(node.ask("get_status")["warnings"])


def test_a_gateway_that_lies_is_caught(prepared: tuple[Path, str, str], tmp_path: Path) -> None:
    datadir, address, own = prepared
    elsewhere = tmp_path / "miner"
    shutil.copytree(datadir, elsewhere)
    (elsewhere / "node.key").unlink()
    accuser = User(elsewhere, "its password", wallet="accuser")

    with gateway(datadir, program=altered("faulty")) as liar:
        with gateway(elsewhere, "--gateway", "off") as miner:
            lie = promised(liar, tmp_path / "lie.json")
            status, links = verify(lie)
            assert (status, links["instant"][0]) == (3, "ok"), links
            before, paid, supply = account(miner, address), account(miner, own), issued(miner)
            assert (before["stake"], [one["amount"] for one in before["unbonding"]]) == (
                *(str(STAKED), [str(UNSTAKED)]),
            )
            assert STAKED + UNSTAKED < PENALTY

            found = accuser.json("dao", "accuse", lie, "--yes")
            assert (found["gateway"], found["takes"]) == (address, str(STAKED + UNSTAKED))
            assert found["answer"] != found["signed"]
            assert found["honest"] is False
            at = int(miner.ask("get_status")["height"])
            miner.node.kill()

        # What waits for an own block outlives the node, however that ended.
        with gateway(elsewhere, "--gateway", "off") as miner:
            miner.generate(2)
            assert account(miner, address)["stake"] == "0"
            taken = (str(STAKED + UNSTAKED), own, found["txid"])
            assert events(miner, address, "penalty-taken") == [taken]

            # Its own longer branch does not help: what leaves the chain waits again.
            tip = liar.generate(4)
            miner.ask("connect_peer", address=liar.ask("get_network")["multiaddr"])
            until("the liar's branch", lambda: miner.tip == tip or None)
            assert account(miner, address)["stake"] == before["stake"]
            assert events(miner, address, "penalty-taken") == []
            assert events(miner, own, "penalty-paid") == []
            tip = miner.generate(2)
            told = accuser.json("tx", found["txid"])["transaction"]
            assert told["status"] == "confirmed"

            # Every node agrees, the liar's own as well.
            until("the liar's node to follow", lambda: liar.tip == tip or None)
            for node in (miner, liar):
                after = account(node, address)
                assert (after["stake"], after["unbonding"]) == ("0", [])
                assert after["balance"] == before["balance"]
                half = (STAKED + UNSTAKED) // 2
                gained = int(account(node, own)["balance"]) - int(paid["balance"])
                assert gained == half - int(told["fee"])
                # What was taken, of what, and who has it, is there to be read.
                assert events(node, address, "penalty-taken") == [taken]
                assert events(node, own, "penalty-paid") == [(str(half), address, found["txid"])]
                penalty = node.ask("get_transaction", txid=found["txid"])["penalty"]
                assert len(penalty.pop("receipt")) == 128
                assert penalty == {
                    "gateway": address,
                    "rewards": "0",
                    "stake": str(STAKED),
                    "unbonding": str(UNSTAKED),
                    "taken": str(STAKED + UNSTAKED),
                    "paid": str(half),
                    "burned": str(half),
                }
                # The other half is nobody's; beside it there is what blocks bring, fees among it.
                minted = sum(
                    int(node.ask("get_block", height=height)["reward"])
                    for height in range(at + 1, at + 7)
                )
                assert issued(node) == supply + minted - int(told["fee"]) - half

            shown = accuser.run("tx", found["txid"])
            assert f"taken     0.7 ESP from {address}: 0.4 ESP of stake, 0.3 ESP of unb" in shown
            assert "paid      0.35 ESP to the accuser; 0.35 ESP burned" in shown
            assert "penalty-paid" in accuser.run("history", "--kind", "dao")
            assert "penalty-taken" in accuser.run("history", address)

            # Nothing is left to be taken: nobody pays for a second accusation.
            assert "nothing to take" in accuser.run("dao", "accuse", lie, "--yes", status=1)
        assert liar.node.end() == 0


def test_an_honest_answer_accuses_nobody(prepared: tuple[Path, str, str], tmp_path: Path) -> None:
    datadir, address, _ = prepared
    accuser = User(datadir, "its password", wallet="accuser")
    with gateway(datadir) as node:
        honest = promised(node, tmp_path / "honest.json")
        before = account(node, address)
        said = accuser.run("dao", "accuse", honest, "--json", "--yes", status=3)
        assert said == ""
        assert "honest" in accuser.said[-2]
        node.generate(2)
        assert account(node, address)["stake"] == before["stake"]
        # Nor does one that somebody has altered.
        text = honest.read_text().replace('"signature":"', '"signature":"AAAA')
        honest.write_text(text)
        assert "NoPromiseError" in accuser.run("dao", "accuse", honest, "--json", status=2)
        assert node.node.end() == 0
