"""Where links come from: sockets of this machine, or a network in memory."""

from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.transport.dialler import dial
from esper.p2p.transport.guard import SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Link
from esper.p2p.transport.listener import Listener


class Endpoint(Protocol):
    """Dials and listens."""

    @property
    def port(self) -> int:
        """Where it listens; 0: nowhere."""

    async def dial(self, ip: str, port: int, expected_id: bytes) -> Link:
        """Raises LinkClosed."""

    async def run(
        self,
        on_link: Callable[[Link], None],
        may_enter: Callable[[str], bool],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Accept until cancelled. Raises PortError before it has started."""


class TcpEndpoint:
    """TCP, Noise and Yamux."""

    def __init__(
        self,
        identity: Identity,
        protocols: tuple[str, str],
        hosts: Sequence[str],
        port: int,
        *,
        spares: Callable[[bytes], bool],
    ) -> None:
        """Listens on ``port`` of ``hosts`` (none: nowhere); ``spares`` says whom no limit holds."""
        self._identity = identity
        self._protocols = protocols
        self._hosts = hosts
        self._wanted_port = port
        self._spares = spares
        self._frames = SharedFrameBudget()
        self._port = 0

    @property
    def port(self) -> int:
        """See ``Endpoint``."""
        return self._port

    async def dial(self, ip: str, port: int, expected_id: bytes) -> Link:
        """See ``Endpoint``."""
        return await dial(ip, port, expected_id, self._identity, self._protocols, self._frames)

    async def run(
        self,
        on_link: Callable[[Link], None],
        may_enter: Callable[[str], bool],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """See ``Endpoint``."""
        if not self._hosts:
            task_status.started()
            await trio.sleep_forever()
        listener = await Listener.listen(
            self._wanted_port,
            self._identity,
            self._protocols,
            self._frames,
            is_local=lambda ip: self._spares(ip_from_text(ip)),
            may_enter=may_enter,
            hosts=self._hosts,
        )
        self._port = listener.port
        task_status.started()
        await listener.run(on_link)


def protocols_of(genesis_hash: bytes) -> tuple[str, str]:
    """The names of the two streams on a network: other networks speak none of them."""
    name = genesis_hash[:8].hex()
    return f"/esper/{name}/talk/1", f"/esper/{name}/bulk/1"
