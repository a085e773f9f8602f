"""A machine in trouble, a block that is gone: the network of a node goes on."""

from __future__ import annotations

import logging
from dataclasses import replace
from unittest import mock

import pytest
import trio

from esper.node.mining.mining_service import MinedNews
from esper.p2p.sync.events import KeepFrom
from esper.primitives.ids import BlockId
from esper.storage.errors import StorageError
from tests.support.sim_clockwork import simulated
from tests.support.sim_world import ring, sim_world


async def _trouble() -> None:
    async with sim_world(1, [replace(one, share=0.0) for one in ring(2)]) as world:
        for node in world.nodes:
            await world.start(node)
        await trio.sleep(5)
        service, chain = world.nodes[0].service, world.nodes[0].node.chain
        # A block of ours that a change of chain has taken away and pruned before it was read.
        service._made_of.events.publish(_mined(BlockId(b"\7" * 64)))
        tries = []

        async def full(height: int) -> None:
            tries.append(height)
            if len(tries) < 3:
                raise StorageError("no space left on device")

        with mock.patch.object(chain, "keep_undo_from", full):
            service._told(KeepFrom(1))
            await trio.sleep(60)
        assert tries == [1, 1, 1]
        assert world.nodes[0].is_up
        assert len(service.table.settled()) == 1


def _mined(block_id: BlockId) -> MinedNews:
    news = object.__new__(MinedNews)
    object.__setattr__(news, "block_id", block_id)
    return news


def test_a_full_disk_and_a_lost_block_end_no_service(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        simulated(_trouble, 1)
    told = [one.getMessage() for one in caplog.records]
    assert sum("no space left" in one for one in told) == 2
    assert sum("own block" in one for one in told) == 1
