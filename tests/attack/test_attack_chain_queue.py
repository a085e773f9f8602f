"""Transactions that wait must not keep a node from mining."""

from pathlib import Path

import pytest

from esper.node import pending
from esper.node.inbox import Inbox
from esper.node.mining_node import MiningNode
from esper.vm.transfer import Output, Transfer
from tests.unit.chain_world import ChainWorld
from tests.unit.test_chain_manager import PARAMS, Node
from tests.unit.vm_world import ALICE, BOB, COIN, address

PAY = Transfer((Output(address(BOB), COIN),))


def test_more_than_the_queue_holds_does_not_stop_mining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "MAX_PENDING", 1)
    node, world = Node(tmp_path, PARAMS), ChainWorld(PARAMS)
    inbox = Inbox(tmp_path, PARAMS)
    # Far ahead of the sender's nonce: each waits for ever, and only one has a place in the queue.
    for nonce in (7, 8, 9):
        inbox.put(world.signed(ALICE, PAY, nonce=nonce).to_bytes())
    asked = 0

    def clock() -> int:
        nonlocal asked
        asked += 1
        # A node that starts anew for ever asks for the time for ever.
        assert asked < 1000
        return world.now_ms

    refused: list[bytes] = []
    mining = MiningNode(
        node.manager, world.miner, world.planner, inbox, clock, lambda txid, _: refused.append(txid)
    )
    assert mining.next_block().arrival.new
    assert refused == []
    assert len(list(inbox)) == 3
    # What did not fit gets its turn when there is room.
    honest = world.signed(ALICE, PAY)
    inbox.put(honest.to_bytes())
    monkeypatch.setattr(pending, "MAX_PENDING", 10)
    block = mining.next_block()
    assert honest.txid in [each.txid for each in block.planned.plan.transactions]
    node.store.close()
