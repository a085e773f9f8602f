"""Sockets to listen on: every address of a name that works, all with one port."""

import errno
import logging
import socket
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import trio

from esper.http.addresses import ANYWHERE
from esper.saying import warn

LOG: Final = logging.getLogger("esper.http")
ATTEMPTS: Final = 20
"""To find a port that is free on all addresses, where any will do."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted."""

_OF_ONE_ADDRESS: Final = frozenset(
    {
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EPROTONOSUPPORT,
        errno.EACCES,
        errno.EPERM,
        errno.ENETUNREACH,
        errno.ENODEV,
    }
)
"""This machine has no such address, speaks no such family or does not let us: IPv6 may be off and
yet stand in the file of hosts. The other addresses of a name are none the worse for it."""
_OTHER_HOST: Final = "name an address of this machine with --rpc-host"
_REMEDIES: Final = MappingProxyType(
    {
        errno.EADDRINUSE: "Another node may run there: stop it, or choose another port with "
        "--rpc-port (0 takes any)",
        errno.EACCES: "Ports below 1024 are the administrator's: choose another with --rpc-port",
        errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    }
)
"""What helps, by error number; with others it is the address."""


Address = tuple[int, tuple[object, ...]]
"""Family and address of a socket."""


class BindError(Exception):
    """The address cannot be listened on; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that clients can knock at."""

    listeners: tuple[trio.SocketListener, ...]
    port: int
    """Of all of them."""
    url: str
    """What a client on this machine calls, such as ``http://127.0.0.1:9334/``."""

    def close(self) -> None:
        """Close all."""
        for listener in self.listeners:
            listener.socket.close()


async def listen(host: str, port: int) -> Listening:
    """Listen on all addresses of ``host`` that this machine has. Raises BindError.

    An address in use is an error even where another is free: whoever called the name would reach
    the other program now and then.
    """
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        addresses: list[Address] = list(
            dict.fromkeys((int(family), at) for family, _, _, _, at in found)
        )
        listeners = _bind_all(addresses, port)
    except OSError as error:
        reason = error.strerror or error
        remedy = _REMEDIES.get(error.errno or 0, _OTHER_HOST[0].upper() + _OTHER_HOST[1:])
        raise BindError(f"cannot listen on {host} port {port}: {reason}. {remedy}") from error
    except UnicodeError as error:
        raise BindError(f"{host!r} is no host name: {_OTHER_HOST}") from error
    own, bound = listeners[0].socket.getsockname()[:2]
    name = ANYWHERE.get(own, own)
    url = f"http://[{name}]:{bound}/" if ":" in name else f"http://{name}:{bound}/"
    return Listening(listeners, bound, url)


def _bind_all(addresses: list[Address], port: int) -> tuple[trio.SocketListener, ...]:
    """Sockets of the addresses that there are, at least one. Raises OSError."""
    for attempt in range(ATTEMPTS):
        bound: list[socket.socket] = []
        missing: list[tuple[object, OSError]] = []
        chosen = port
        try:
            for family, at in addresses:
                try:
                    bound.append(_bind(family, (at[0], chosen, *at[2:])))
                except OSError as error:
                    if error.errno not in _OF_ONE_ADDRESS:
                        raise
                    missing.append((at[0], error))
                    continue
                chosen = bound[0].getsockname()[1]
            if not bound:
                nothing = OSError(errno.EADDRNOTAVAIL, "the name has no address")
                raise missing[0][1] if missing else nothing
        except OSError as error:
            for found in bound:
                found.close()
            # The port that the first address was given is taken on another.
            again = port == 0 and bool(bound) and error.errno == errno.EADDRINUSE
            if not again or attempt == ATTEMPTS - 1:
                raise
        else:
            for where, reason in missing:
                warn(
                    LOG,
                    "not_listening",
                    "not listening on {where}: {reason}",
                    where=where,
                    reason=reason.strerror or str(reason),
                )
            return tuple(
                trio.SocketListener(trio.socket.from_stdlib_socket(found)) for found in bound
            )
    raise AssertionError("unreachable")


def _bind(family: int, at: tuple[object, ...]) -> socket.socket:
    """A socket that listens. Raises OSError."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        # What an ended server left behind on its port may rest there; a living one is still in use.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(at)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
