"""A node that mines with fake work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from esper.node.chain.stored_blocks import stored_block
from tests.support.node.node_world import NodeWorld, node_world, running


@asynccontextmanager
async def mining(datadir: Path, **plan: Any) -> AsyncIterator[NodeWorld]:
    async with node_world(datadir, **plan) as world, running(world):
        yield world


def searched(world: NodeWorld) -> bytes:
    """The parent of what is searched now."""
    return world.searcher.job.pre.parent


def payee_at(world: NodeWorld, height: int) -> bytes:
    return stored_block(world.node.manager.view(), height).header.pre.payee
