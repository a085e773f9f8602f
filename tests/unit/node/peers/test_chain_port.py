"""The chain as the network's machines see it: what is remembered of a view is of that alone."""

from pathlib import Path

import pytest

from esper.node.peers import chain_port
from esper.node.peers.chain_port import NodeChain
from esper.primitives.ids import BlockId
from tests.support.node.node_world import NodeWorld, go, node_world


def port_of(world: NodeWorld) -> NodeChain:
    return NodeChain(world.node.chain, world.node.manager, world.clock, 0)


def test_a_height_is_asked_anew_when_the_chain_has_moved(tmp_path: Path) -> None:
    async def test() -> None:
        async with node_world(tmp_path, mines=False) as world:
            port, genesis = port_of(world), world.node.chain.tip
            block = world.others_block()
            block_id = block.header.block_id
            assert port.height_on_chain(block_id) is None
            assert port.height_on_chain(genesis) == 0
            await world.take(block)
            assert port.height_on_chain(block_id) == 1
            assert port.height_on_chain(genesis) == 0

    go(test)


def test_strangers_ids_are_not_remembered_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_port, "HEIGHTS_KEPT", 3)

    async def test() -> None:
        async with node_world(tmp_path, mines=False) as world:
            port, genesis = port_of(world), world.node.chain.tip
            for number in range(9):
                assert port.height_on_chain(BlockId(bytes([number]) * 64)) is None
                assert port.height_on_chain(genesis) == 0
                assert len(port._heights) <= 3

    go(test)
