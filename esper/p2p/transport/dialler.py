"""The act of dialling. Whom and when, others decide."""

import ipaddress
import os
import socket

import trio

from esper.p2p.transport.guard import SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Ending, Link, LinkClosed
from esper.p2p.transport.opening import HANDSHAKE_S, open_link


async def dial(
    ip: str,
    port: int,
    expected_id: bytes | None,
    identity: Identity,
    protocols: tuple[str, str],
    frames: SharedFrameBudget,
    *,
    source_ip: str | None = None,
) -> Link:
    """Connect to ``ip`` and open both streams, in 10 seconds.

    ``expected_id`` None takes any id; ``source_ip`` is the address of ours to dial from. Raises
    LinkClosed: its ending says whether nobody is there, another is, or somebody is too slow.
    """
    with trio.move_on_after(HANDSHAKE_S):
        stream = await _connect(ip, port, source_ip)
        return await open_link(
            stream,
            identity,
            protocols,
            frames,
            remote_address=(ip, port),
            outbound=True,
            expected_id=expected_id,
        )
    raise LinkClosed(Ending.DEADLINE, f"no connection within {HANDSHAKE_S:.0f} s")


async def _connect(ip: str, port: int, source_ip: str | None) -> trio.SocketStream:
    version = ipaddress.ip_address(ip).version
    try:
        made = trio.socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
    except OSError as error:
        # No descriptor left, or a machine without IPv6: anybody may name such an address.
        raise LinkClosed(Ending.UNREACHABLE, error.strerror or str(error)) from error
    try:
        if source_ip is not None:
            await made.bind((source_ip, 0))
        await made.connect((ip, port))
        # This turns NODELAY on.
        return trio.SocketStream(made)
    except OSError as error:
        made.close()
        # Trio's own text names the address once more.
        what = str(error) if error.errno is None else os.strerror(error.errno)
        raise LinkClosed(Ending.UNREACHABLE, what) from error
    except BaseException:
        made.close()
        raise
