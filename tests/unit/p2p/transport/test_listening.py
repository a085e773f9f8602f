"""One port on all addresses, which no other program has."""

from __future__ import annotations

import errno
import socket

import pytest
import trio

from esper.p2p.transport.listening import EVERYWHERE, PortError, open_listeners
from tests.support.net.transport_world import HOST


def _close(listeners: list[trio.SocketListener]) -> None:
    for one in listeners:
        one.socket.close()


def test_a_port_that_is_taken_is_an_error_that_names_it() -> None:
    """libp2p's listener sets SO_REUSEPORT: two nodes would share the port and say nothing."""

    async def main() -> None:
        first = await open_listeners(0, (HOST,))
        port = first[0].socket.getsockname()[1]
        try:
            with pytest.raises(PortError, match=rf"{HOST} port {port}.*choose another port"):
                await open_listeners(port, (HOST,))
            with pytest.raises(PortError, match=str(port)):
                await open_listeners(port)
        finally:
            _close(first)
        _close(await open_listeners(port, (HOST,)))

    trio.run(main)


def test_sockets_share_no_port_and_send_at_once() -> None:
    async def main() -> None:
        listeners = await open_listeners(0, (HOST,))
        try:
            listening = listeners[0].socket
            assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
            async with await trio.open_tcp_stream(*listening.getsockname()) as dialled:
                accepted = await listeners[0].accept()
                for stream in (accepted, dialled):
                    assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                await accepted.aclose()
        finally:
            _close(listeners)

    trio.run(main)


def test_all_addresses_have_the_same_port() -> None:
    async def main() -> None:
        listeners = await open_listeners(0)
        try:
            assert len({one.socket.getsockname()[1] for one in listeners}) == 1
            assert listeners[0].socket.getsockname()[0] == EVERYWHERE[0]
        finally:
            _close(listeners)

    trio.run(main)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EACCES, "administrator"), (errno.EADDRNOTAVAIL, "Name an address")],
)
def test_other_errors_have_their_remedies(
    monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    async def fail(port: int, *, host: str) -> list[trio.SocketListener]:
        raise OSError(number, "no")

    monkeypatch.setattr("trio.open_tcp_listeners", fail)
    with pytest.raises(PortError, match=remedy):
        trio.run(open_listeners, 80, (HOST,))


def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = trio.open_tcp_listeners

    async def without(port: int, *, host: str) -> list[trio.SocketListener]:
        if ":" in host:
            raise OSError(errno.EADDRNOTAVAIL, "no IPv6")
        return await real(port, host=HOST)

    monkeypatch.setattr("trio.open_tcp_listeners", without)

    async def main() -> None:
        listeners = await open_listeners(0)
        assert len(listeners) == 1
        _close(listeners)

    trio.run(main)


def test_a_port_that_is_taken_on_the_second_address_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = trio.open_tcp_listeners
    asked: list[tuple[str, int]] = []

    async def second_is_taken(port: int, *, host: str) -> list[trio.SocketListener]:
        asked.append((host, port))
        if host == "::" and len(asked) < 4:
            raise OSError(errno.EADDRINUSE, "in use")
        return await real(port if host != "::" else 0, host=HOST)

    monkeypatch.setattr("trio.open_tcp_listeners", second_is_taken)

    async def main() -> None:
        listeners = await open_listeners(0)
        assert [host for host, _ in asked] == ["0.0.0.0", "::"] * 2
        _close(listeners)

    trio.run(main)
