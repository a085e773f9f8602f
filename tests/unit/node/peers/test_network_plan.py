"""What a real node's plan makes of its settings, at its own sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from esper.node.peers.network_plan import network_plan
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.door import SLOTS_OF_ADDRESS
from esper.p2p.transport.link import Link

HOST = "127.0.0.1"


@pytest.mark.parametrize("spared", [True, False])
def test_who_is_spared_behind_the_door_is_spared_at_it(tmp_path: Path, spared: bool) -> None:
    plan = network_plan(
        NetworkSettings(hosts=(HOST,), spares_local=spared), bytes(64), tmp_path, now_ms=0
    )

    async def is_closed(stream: trio.SocketStream) -> bool:
        # A node says nothing before its peer does.
        with trio.move_on_after(1):
            return not await stream.receive_some(1)
        return False

    def on_link(link: Link) -> None:
        link.close()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(plan.endpoint.run, on_link, lambda ip: True)
            streams = [
                await trio.open_tcp_stream(HOST, plan.endpoint.port)
                for _ in range(SLOTS_OF_ADDRESS + 1)
            ]
            assert await is_closed(streams[-1]) is not spared
            for one in streams:
                await one.aclose()
            nursery.cancel_scope.cancel()

    trio.run(main)
