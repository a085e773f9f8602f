"""Cancelled at every await, opening a link leaves no socket, and the other side learns of it."""

from __future__ import annotations

import pytest
import trio

from esper.p2p.transport.dialler import dial
from esper.p2p.transport.link import Link, LinkClosed
from esper.p2p.transport.listener import accept
from tests.support.net.transport_world import (
    HOST,
    NODE,
    PATIENCE_S,
    PEER,
    PROTOCOLS,
    new_frames,
    open_sockets,
)


class CancelAtStep(trio.abc.Instrument):
    """Cancels a task where it waits next after so many steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self._task = trio.lowlevel.current_task()
        self.scope = trio.CancelScope()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self.scope.cancel()


async def _once(side: str, steps: int) -> bool:
    """Open a link with one side cancelled after so many steps; whether it was."""
    before = open_sockets()
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    port = listener.socket.getsockname()[1]
    links: list[Link] = []
    was_cancelled = False

    async def dialling() -> None:
        links.append(await dial(HOST, port, NODE.node_id, PEER, PROTOCOLS, new_frames()))

    async def accepting() -> None:
        stream = await listener.accept()
        links.append(await accept(stream, NODE, PROTOCOLS, new_frames()))

    async def cancelled() -> None:
        nonlocal was_cancelled
        watch = CancelAtStep(steps)
        trio.lowlevel.add_instrument(watch)
        with watch.scope:
            await (dialling() if side == "dial" else accepting())
        trio.lowlevel.remove_instrument(watch)
        was_cancelled = watch.scope.cancelled_caught
        listener.socket.close()

    async def other() -> None:
        try:
            await (accepting() if side == "dial" else dialling())
        except (LinkClosed, trio.ClosedResourceError):
            return

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            nursery.start_soon(cancelled)
    for link in links:
        link.close()
    await trio.lowlevel.checkpoint()
    assert open_sockets() == before
    return was_cancelled


@pytest.mark.parametrize("side", ["dial", "accept"])
def test_opening_may_be_cancelled_anywhere(side: str) -> None:
    async def main() -> None:
        steps = 1
        while await _once(side, steps):
            steps += 1
        assert steps > 8

    trio.run(main)
