"""Lets nodes in memory say the message that ``docs/contributing.md`` adds; prints what came.

python -m tests.support.contributed.contributed_message        prints a JSON object
"""

from __future__ import annotations

import json
from typing import Any

import trio

import esper.p2p.wire.talk_messages
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import stream_of
from tests.support.sim.sim_clockwork import simulated
from tests.support.sim.sim_world import ring, sim_world

# The sources that are type-checked do not have it.
talk: Any = esper.p2p.wire.talk_messages


async def heard() -> list[bool]:
    """Of the connections of two nodes in a ring of three whether the message came."""
    async with sim_world(1, ring(3)) as world:
        for node in world.nodes:
            await world.start(node)
        await trio.sleep(5)
        tables: list[Any] = [node.service.table.settled() for node in world.nodes[:2]]
        return [connected.listens for table in tables for connected in table]


def main() -> None:
    ready = talk.Ready()
    found = {
        "frame": frame_bytes(ready).hex(),
        "stream": stream_of(ready.TYPE).value,
        "listens": simulated(heard, 1),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
