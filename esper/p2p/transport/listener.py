"""Lets peers in: accepts connections, makes links of them, and hands those over.

The network page, sections 2 and 5.
"""

import errno
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import trio

from esper.p2p.transport.door import Answer, Door, DoorStatistics
from esper.p2p.transport.guard import SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Ending, Link, LinkClosed
from esper.p2p.transport.listening import EVERYWHERE, open_listeners
from esper.p2p.transport.mux_link import now_ms
from esper.p2p.transport.opening import HANDSHAKE_S, open_link

LOG: Final = logging.getLogger("esper.p2p")
RETRY_S: Final = 0.1
"""Until the next try when the machine cannot give us a connection."""


async def accept(
    stream: trio.SocketStream,
    identity: Identity,
    protocols: tuple[str, str],
    frames: SharedFrameBudget,
) -> Link:
    """Make a link of an accepted connection, in 10 seconds.

    Raises LinkClosed; then the connection is closed.
    """
    try:
        ip, port = stream.socket.getpeername()[:2]
    except OSError as error:
        stream.socket.close()
        raise LinkClosed(Ending.PEERS) from error
    with trio.move_on_after(HANDSHAKE_S):
        return await open_link(
            stream, identity, protocols, frames, remote_address=(ip, port), outbound=False
        )
    raise LinkClosed(Ending.DEADLINE, f"no two streams within {HANDSHAKE_S:.0f} s")


@dataclass(frozen=True, slots=True)
class ListenerStatistics:
    """What came to the listener."""

    door: DoorStatistics
    endings: Mapping[Ending, int]
    """How handshakes ended that came to nothing."""


class Listener:
    """The sockets of a node that wait for peers."""

    def __init__(
        self,
        listeners: Sequence[trio.SocketListener],
        identity: Identity,
        protocols: tuple[str, str],
        frames: SharedFrameBudget,
        is_local: Callable[[str], bool],
        may_enter: Callable[[str], bool],
    ) -> None:
        """``is_local`` and ``may_enter`` (not barred) are asked by IP address, before all else."""
        self._listeners = listeners
        self._identity = identity
        self._protocols = protocols
        self._frames = frames
        self._may_enter = may_enter
        self._door = Door(is_local)
        self._scopes: dict[int, trio.CancelScope] = {}
        self._endings: Counter[Ending] = Counter()

    @classmethod
    async def listen(
        cls,
        port: int,
        identity: Identity,
        protocols: tuple[str, str],
        frames: SharedFrameBudget,
        *,
        is_local: Callable[[str], bool],
        may_enter: Callable[[str], bool] = lambda _: True,
        hosts: Sequence[str] = EVERYWHERE,
    ) -> "Listener":
        """Bind ``port`` (0: any) on all ``hosts``. Raises PortError."""
        listeners = await open_listeners(port, hosts)
        return cls(listeners, identity, protocols, frames, is_local, may_enter)

    @property
    def port(self) -> int:
        """That peers dial."""
        port: int = self._listeners[0].socket.getsockname()[1]
        return port

    async def run(self, on_link: Callable[[Link], None]) -> None:
        """Accept until cancelled; then no socket of its own is open any more.

        ``on_link`` is given each link, and has to close it.
        """
        try:
            async with trio.open_nursery() as nursery:
                for listener in self._listeners:
                    nursery.start_soon(self._accept, listener, nursery, on_link)
        finally:
            self.close()

    def close(self) -> None:
        """Close the sockets that wait for peers."""
        for listener in self._listeners:
            listener.socket.close()

    def statistics(self) -> ListenerStatistics:
        """What came."""
        return ListenerStatistics(self._door.statistics(), MappingProxyType(dict(self._endings)))

    async def _accept(
        self,
        listener: trio.SocketListener,
        nursery: trio.Nursery,
        on_link: Callable[[Link], None],
    ) -> None:
        while True:
            try:
                stream = await listener.accept()
            except trio.ClosedResourceError:
                return
            except OSError as error:
                # That one is the peer's, who left while it waited. Others stay for a while, such as
                # having no descriptor left.
                if error.errno != errno.ECONNABORTED:
                    await trio.sleep(RETRY_S)
                continue
            number = self._knock(stream)
            if number is None:
                stream.socket.close()
                continue
            scope = self._scopes[number] = trio.CancelScope()
            nursery.start_soon(self._shake, stream, number, scope, on_link)

    def _knock(self, stream: trio.SocketStream) -> int | None:
        try:
            ip: str = stream.socket.getpeername()[0]
        except OSError:
            return None
        if not self._may_enter(ip):
            return None
        knock = self._door.knock(ip, now_ms())
        if knock.evicted is not None:
            self._scopes[knock.evicted].cancel()
        return knock.number if knock.answer is Answer.ENTER else None

    async def _shake(
        self,
        stream: trio.SocketStream,
        number: int,
        scope: trio.CancelScope,
        on_link: Callable[[Link], None],
    ) -> None:
        link: Link | None = None
        try:
            with scope:
                link = await accept(stream, self._identity, self._protocols, self._frames)
        except LinkClosed as closed:
            self._endings[closed.ending] += 1
        finally:
            # Also where this is cancelled before it begins.
            if link is None:
                stream.socket.close()
            self._door.leave(number)
            del self._scopes[number]
        if link is not None:
            try:
                on_link(link)
            except BaseException:
                link.close()
                raise
