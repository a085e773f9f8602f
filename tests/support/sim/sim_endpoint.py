"""A place in a network in memory, as the network service wants it."""

from collections.abc import Callable

import trio

from esper.p2p.transport.link import Link
from tests.support.net.memory_link import MemoryNetwork

PORT = 9333


class MemoryEndpoint:
    """An ``Endpoint`` of one IP address."""

    def __init__(self, network: MemoryNetwork, ip: str, node_id: bytes) -> None:
        self._network = network
        self._ip = ip
        self._node_id = node_id
        self._port = 0

    @property
    def port(self) -> int:
        """See ``Endpoint``."""
        return self._port

    async def dial(self, ip: str, port: int, expected_id: bytes) -> Link:
        """See ``Endpoint``."""
        return await self._network.dial(self._ip, (ip, port), self._node_id, expected_id)

    async def run(
        self,
        on_link: Callable[[Link], None],
        may_enter: Callable[[str], bool],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """See ``Endpoint``."""

        def accept(link: Link) -> None:
            if may_enter(link.remote_address[0]):
                on_link(link)
            else:
                link.close()

        stop = self._network.listen((self._ip, PORT), self._node_id, accept)
        self._port = PORT
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._port = 0
            stop()
