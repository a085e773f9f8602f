"""Sockets that peers can reach, all with one port, which no other program has."""

import errno
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import trio

EVERYWHERE: Final = ("0.0.0.0", "::")
"""Every address of this machine; IPv6 only where it has it."""
ATTEMPTS: Final = 20
"""To find a port that is free on all addresses, where any will do."""

_NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
_REMEDIES: Final = MappingProxyType(
    {
        errno.EADDRINUSE: "Another node may run there: stop it, or choose another port with "
        "--port (0 takes any)",
        errno.EACCES: "Ports below 1024 are the administrator's: choose another",
        errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    }
)
_OTHER_HOST: Final = "Name an address of this machine"


class PortError(Exception):
    """The port cannot be listened on; the message says which and what to do."""


async def open_listeners(port: int, hosts: Sequence[str] = EVERYWHERE) -> list[trio.SocketListener]:
    """Listen on all ``hosts``, which are IP addresses, with one port; 0: any that is free.

    trio's sockets share no port with those of another program (SO_REUSEPORT), as libp2p's do.
    Raises PortError.
    """
    for _ in range(ATTEMPTS - 1 if port == 0 else 0):
        try:
            return await _open(port, hosts)
        except _TakenLater:
            continue
    return await _open(port, hosts)


class _TakenLater(PortError):
    """The port that the first address was given is taken on another."""


async def _open(port: int, hosts: Sequence[str]) -> list[trio.SocketListener]:
    listeners: list[trio.SocketListener] = []
    chosen = port
    for host in hosts:
        try:
            listeners += await trio.open_tcp_listeners(chosen, host=host)
        except OSError as error:
            if host == "::" and hosts == EVERYWHERE and error.errno in _NO_IPV6:
                continue
            for one in listeners:
                one.socket.close()
            kind = _TakenLater if listeners and error.errno == errno.EADDRINUSE else PortError
            remedy = _REMEDIES.get(error.errno or 0, _OTHER_HOST)
            reason = error.strerror or error
            raise kind(
                f"cannot listen for peers on {host} port {chosen}: {reason}. {remedy}"
            ) from error
        chosen = listeners[0].socket.getsockname()[1]
    return listeners
