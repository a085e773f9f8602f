"""One machine as a complete Esperchain, through its commands alone, on the genesis model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.node.node_process import (
    BIN,
    RunningNode,
    User,
    environment,
    running,
    until,
    wait_for_balance,
    wait_for_credits,
    wait_until_confirmed,
)

pytestmark = pytest.mark.nodes

COIN = 10**8
NETWORK = ("--network", "regtest")


def units(amount: str) -> int:
    return int(amount)


def account(user: User, wallet: str) -> dict[str, Any]:
    found: dict[str, Any] = user.json("balance", "--wallet", wallet)
    return found


def spendable_credits(user: User) -> int:
    accounts = user.json("credits", "--wallet", "alice")["accounts"]
    return sum(int(one["credits"]["spendable"]) for one in accounts)


def confirmed(user: User, txid: str) -> None:
    wait_until_confirmed(user.datadir, txid)
    assert user.json("tx", txid)["transaction"]["status"] == "confirmed"


def mine_and_spend(owner: User, alice: str, bob: str) -> tuple[str, str]:
    """Rewards, a payment, a stake and a call; the call's id and its answer."""
    wait_for_balance(owner.datadir, alice, 30 * COIN)
    assert units(account(owner, "alice")["available"]) > 30 * COIN
    sent = owner.json("send", bob, "1.5", "--wallet", "alice", "--yes")["txid"]
    staked = owner.json("stake", "20", "--wallet", "alice", "--yes")["txid"]
    confirmed(owner, sent)
    confirmed(owner, staked)
    wait_for_credits(owner.datadir, alice, 10_000)
    assert spendable_credits(owner) > 10_000
    called = owner.json(
        "call", "Once upon a time", "--max-tokens", "12", "--wallet", "alice", "--yes"
    )
    assert called["status"] == "answered"
    assert called["answer"].strip()
    assert called["block"]
    assert called["proof_id"]
    return called["txid"], called["answer"]


def test_mine_spend_call_crash_restart_and_restore_elsewhere(tmp_path: Path) -> None:
    datadir, elsewhere = tmp_path / "node", tmp_path / "elsewhere"
    owner, bob_user = User(datadir, "a long password"), User(datadir, "another password")
    owner.run("wallet", "new", *NETWORK, "--wallet", "alice")
    bob_user.run("wallet", "new", *NETWORK, "--wallet", "bob")
    alice = owner.json("wallet", "address", "--wallet", "alice")["addresses"][0]["address"]
    bob = owner.json("wallet", "address", "--wallet", "bob")["addresses"][0]["address"]
    words = owner.json("wallet", "backup", "--words", "--wallet", "alice")["words"]

    with running("mine", datadir, *NETWORK, "--payee", alice) as node:
        txid, answer = mine_and_spend(owner, alice, bob)
        healthy(node)
        workers = node.workers()
        assert workers
        node.kill()
        until("workers to end with their node", lambda: none_runs(workers) or None, 10)

    with running("node", datadir, *NETWORK) as node:
        assert account(owner, "bob")["available"] == str(3 * COIN // 2)
        again = owner.json("tx", txid)["call"]
        assert (again["status"], again["answer"]) == ("answered", answer)
        # The words alone, another folder, the same node.
        restored = User(elsewhere, "a third password", rpc=node.url)
        restored.run("wallet", "restore", *NETWORK, "--wallet", "mine", answer=words)
        for name in ("available", "stake", "immature", "credits"):
            assert account(restored, "mine")[name] == account(owner, "alice")[name]
        assert restored.json("tx", txid)["call"]["answer"] == answer
        log = node.told
        assert node.end() == 0

    said = "".join([*owner.said, *bob_user.said, *restored.said, log])
    for secret in ("a long password", "another password", "a third password"):
        assert secret not in said
    token = json.loads(json.dumps(words)).split()
    # The words were asked for once, and nobody else says them.
    assert said.count(" ".join(token)) == 1
    checked = esperd("verify-chain", "--datadir", datadir)
    assert "blocks valid" in checked


def healthy(node: RunningNode) -> None:
    """Health checks and a scrape of a miner, as their tools make them."""
    with httpx.Client(base_url=node.url, trust_env=False) as browser:
        assert browser.get("/health/ready").json()["reasons"] == []
        text = browser.get("/metrics").raise_for_status().text
    found = {
        one.name: one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    assert found["esper_chain_height"] > 0
    assert found["esper_chain_block_import_seconds_count"] > 0
    assert found["esper_mining_attempts_total"] > 0
    assert found["esper_chain_usefulness_ratio"] > 0


def none_runs(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def esperd(*arguments: str | Path) -> str:
    import subprocess

    done = subprocess.run(
        [BIN / "esperd", *arguments], capture_output=True, text=True, check=True, env=environment()
    )
    return done.stdout
