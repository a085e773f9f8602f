"""What a real node's plan makes of its settings, at its own sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from esper.node.peers.network_plan import network_plan
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.door import SLOTS_OF_ADDRESS
from esper.p2p.transport.guard import FRAMES_BURST, FRAMES_BURST_IN_ALL, INBOUND_FLOOR
from esper.p2p.transport.link import Link

HOST = "127.0.0.1"
PATIENCE_S = 60


@pytest.mark.parametrize("spared", [True, False])
def test_who_is_spared_behind_the_door_is_spared_at_it(tmp_path: Path, spared: bool) -> None:
    plan = network_plan(NetworkSettings(hosts=(HOST,), spares_local=spared), bytes(64), tmp_path)

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


def test_what_many_have_sent_at_once_keeps_nobody_out_for_long(tmp_path: Path) -> None:
    """More small frames than a node takes at once: with the time of a real start they are forgiven.

    A reserve that does not fill again is used up by a day of honest requests, and then nobody gets
    in any more.
    """
    node, peer = (
        network_plan(NetworkSettings(hosts=(HOST,)), bytes(64), made(tmp_path / name))
        for name in ("node", "peer")
    )

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            def on_link(link: Link) -> None:
                nursery.start_soon(link.run)

            async def dialled() -> Link:
                link = await peer.endpoint.dial(HOST, node.endpoint.port, node.node_id)
                nursery.start_soon(link.run)
                return link

            await nursery.start(node.endpoint.run, on_link, lambda ip: True)
            frames = INBOUND_FLOOR + FRAMES_BURST_IN_ALL
            for _ in range(-(-frames // FRAMES_BURST)):
                link = await dialled()
                for _ in range(FRAMES_BURST):
                    await link.talk.send_all(b"x")
            with trio.fail_after(PATIENCE_S):
                await dialled()
            nursery.cancel_scope.cancel()

    trio.run(main)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
