"""Real nodes and real sockets: they find each other, follow one chain, and survive what happens."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from esper.rpc.client import NodeError
from esper.rpc.errors import NOT_FOUND
from esper.rpc.methods import GET_TRANSACTION
from esper.rpc.schema import TransactionParams
from tests.support.net.network_process import NetworkNode, node, proxied
from tests.support.node.node_process import (
    User,
    ask,
    running,
    until,
    wait_for_balance,
    wait_for_credits,
)

pytestmark = pytest.mark.nodes

BLOCKS = 100
MANY_BLOCKS = 2_000
COIN = 10**8
LONG_S = 900


def heights(nodes: list[NetworkNode]) -> list[int]:
    return [one.status().height for one in nodes]


def wait_for_one_tip(nodes: list[NetworkNode], tip: str) -> None:
    for one in nodes:
        one.wait_for_tip(tip)


def status_of(node: NetworkNode, txid: str) -> str | None:
    """None: that node does not know it."""
    try:
        return ask(node.datadir, GET_TRANSACTION, TransactionParams(txid)).status
    except NodeError as error:
        if error.code != NOT_FOUND:
            raise
        return None


def test_five_nodes_follow_one_chain_whatever_happens_to_them(tmp_path: Path) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(node(tmp_path / "first", "--archive"))
        second = stack.enter_context(node(tmp_path / "second", connect=(first.address,)))
        third = stack.enter_context(node(tmp_path / "third", connect=(second.address,)))
        proxy, through = stack.enter_context(proxied(second.address))
        fourth = stack.enter_context(
            node(tmp_path / "fourth", "--connect-only", connect=(through,))
        )
        tip = first.generate(7)[-1]
        wait_for_one_tip([first, second, third, fourth], tip)

        # A payment to one node is mined by another, and seen at a third.
        payer = User(fourth.datadir, "demo")
        payer.run("wallet", "import", "--demo", "--network", "regtest")
        own = payer.json("wallet", "address", "--wallet", "demo")["addresses"][0]["address"]
        sent = payer.json("send", own, "1", "--wallet", "demo", "--yes")["txid"]
        until("the payment to reach the miner", lambda: status_of(third, sent) == "pending" or None)
        wait_for_one_tip([first, second, third, fourth], third.generate(1)[-1])
        assert payer.json("tx", sent)["transaction"]["status"] == "confirmed"

        # One is killed, one stands still and one is cut off while the chain grows.
        third.node.kill()
        second.node.process.send_signal(signal.SIGSTOP)
        first.generate(3)
        second.node.process.send_signal(signal.SIGCONT)
        second.wait_for_tip(first.tip)
        proxy.cut()
        first.generate(2)
        proxy.mend()
        wait_for_one_tip([second, fourth], first.tip)
        third = stack.enter_context(node(tmp_path / "third", connect=(second.address,)))
        third.wait_for_tip(first.tip)
        # Whoever stood still for long may have been let go for seconds; nobody is banned for it.
        for one in (first, second, fourth):
            kept_away = json.loads(one.esperd("bans", "--json"))["bans"]
            assert all("may be a mistake" in ban["why"] for ban in kept_away), kept_away

        # Both mine on; a fifth joins at a hundred proven blocks.
        left = BLOCKS - first.status().height
        first.generate(left // 2)
        third.wait_for_tip(first.tip)
        tip = third.generate(left - left // 2)[-1]
        began = time.monotonic()
        fifth = stack.enter_context(node(tmp_path / "fifth", connect=(fourth.address,)))
        wait_for_one_tip([first, second, fourth, fifth], tip)
        assert heights([first, fifth]) == [BLOCKS, BLOCKS]
        assert time.monotonic() - began < 60
        assert "to go" in fifth.node.told or "blocks a second" in fifth.node.told


def test_a_call_made_at_one_node_is_answered_by_the_block_of_another(tmp_path: Path) -> None:
    caller = User(tmp_path / "caller", "demo")
    caller.run("wallet", "import", "--demo", "--network", "regtest")
    own = caller.json("wallet", "address", "--wallet", "demo")["addresses"][0]["address"]
    mine = ("--network", "regtest", "--payee", own)
    with ExitStack() as stack:
        miner = NetworkNode(stack.enter_context(running("mine", tmp_path / "miner", *mine)))
        stack.enter_context(node(caller.datadir, connect=(miner.address,)))
        wait_for_balance(caller.datadir, own, 30 * COIN)
        caller.run("stake", "20", "--wallet", "demo", "--yes")
        wait_for_credits(caller.datadir, own, 10_000)
        # Its command fetches the proof from the node that does not mine, and verifies it.
        called = caller.json(
            "call", "Once upon a time", "--max-tokens", "12", "--wallet", "demo", "--yes"
        )
        assert called["status"] == "answered"
        assert called["answer"].strip()
        watcher = User(miner.datadir, "demo")
        seen = watcher.json("tx", called["txid"])["call"]
        assert (seen["status"], seen["answer"]) == ("answered", called["answer"])
        # The miner's log names it among what its own block carries.
        assert f"{called['txid'][:16]}  answered" in miner.node.told


@pytest.mark.soak
def test_a_newcomer_follows_two_thousand_blocks_and_survives_a_kill(tmp_path: Path) -> None:
    """From an archive whose line is cut and a peer that prunes; half an hour, mostly mining."""
    with ExitStack() as stack:
        archive = stack.enter_context(node(tmp_path / "archive", "--archive"))
        prunes = stack.enter_context(
            node(tmp_path / "prunes", "--prune", "yes", connect=(archive.address,))
        )
        proxy, through = stack.enter_context(proxied(archive.address))
        for _ in range(0, MANY_BLOCKS, 50):
            tip = archive.generate(50)[-1]
        prunes.wait_for_tip(tip)

        datadir, peers = tmp_path / "newcomer", (through, prunes.address)
        newcomer = stack.enter_context(node(datadir, "--connect-only", connect=peers))
        until(
            "a third of the chain",
            lambda: newcomer.status().height > MANY_BLOCKS // 3 or None,
            LONG_S,
        )
        reached = newcomer.status().height
        newcomer.node.kill()
        newcomer = stack.enter_context(node(datadir, "--connect-only", connect=peers))
        # Nothing that was acknowledged is fetched again.
        assert newcomer.status().height >= reached
        until(
            "two thirds of the chain",
            lambda: newcomer.status().height > 2 * MANY_BLOCKS // 3 or None,
            LONG_S,
        )
        proxy.cut()
        time.sleep(2)
        proxy.mend()
        newcomer.wait_for_tip(tip, LONG_S)
        assert newcomer.status().height == MANY_BLOCKS
        assert [newcomer.bans(), prunes.bans(), archive.bans()] == [[], [], []]
