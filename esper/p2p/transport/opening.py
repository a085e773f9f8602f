"""From a TCP connection to a link: Noise alone, Yamux alone, both streams, in time.

Any other protocol is answered "na". The network page, section 2.
"""

from typing import Final

import trio

from esper.p2p.faults import Fault
from esper.p2p.limits import HANDSHAKE_MS
from esper.p2p.transport.channel import SocketChannel
from esper.p2p.transport.guard import FrameBudget, SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Ending, LinkClosed
from esper.p2p.transport.multiplexer import LARGEST_WINDOW
from esper.p2p.transport.mux_link import MuxLink
from esper.p2p.transport.negotiation import Answerer, Asker
from esper.p2p.transport.noise_link import NOISE, SecuredChannel, secure
from esper.p2p.transport.yamux import FIRST_WINDOW

YAMUX: Final = "/yamux/1.0.0"
HANDSHAKE_S: Final = HANDSHAKE_MS / 1000
"""From TCP to both streams."""


async def open_link(
    stream: trio.SocketStream,
    identity: Identity,
    protocols: tuple[str, str],
    frames: SharedFrameBudget,
    *,
    remote_address: tuple[str, int],
    outbound: bool,
    expected_id: bytes | None = None,
) -> MuxLink:
    """Make a link of a connection: ``protocols`` are those of talk and of bulk.

    Closes the connection and raises LinkClosed if it does not come about, whoever's fault it is;
    whoever cancels it finds the connection closed. The caller sets the deadline.
    """
    channel = SocketChannel(stream)
    try:
        await _choose_in_clear(channel, outbound)
        secured = await secure(channel, identity, outbound=outbound, expected_id=expected_id)
        first = await _choose(secured, outbound)
        budget = FrameBudget(frames, outbound)
        link = MuxLink(channel, secured, remote_address, budget, outbound=outbound)
        talk, bulk = protocols
        await link.open({talk: FIRST_WINDOW, bulk: LARGEST_WINDOW}, first)
    except BaseException as error:
        channel.close()
        if isinstance(error, LinkClosed) or not isinstance(error, Exception):
            raise
        if isinstance(error, Fault):
            raise LinkClosed(Ending.BROKEN, error.reason, error) from error
        raise LinkClosed(Ending.BROKEN, f"unexpected {type(error).__name__}") from error
    return link


async def _choose_in_clear(channel: SocketChannel, outbound: bool) -> None:
    if outbound:
        asker = Asker(NOISE)
        await channel.write(asker.proposal)
        while not asker.agreed:
            await channel.more()
            asker.receive(channel.buffer)
            _check(asker)
        return
    answerer = Answerer({NOISE})
    while answerer.agreed is None:
        await channel.more()
        if reply := answerer.receive(channel.buffer):
            await channel.write(reply)


async def _choose(secured: SecuredChannel, outbound: bool) -> bytes:
    """Agree on Yamux; return what came with the agreement."""
    received = bytearray()
    if outbound:
        asker = Asker(YAMUX)
        await secured.write(asker.proposal)
        while not asker.agreed:
            received += await secured.read_message()
            asker.receive(received)
            _check(asker)
        return bytes(received)
    answerer = Answerer({YAMUX})
    while answerer.agreed is None:
        received += await secured.read_message()
        if reply := answerer.receive(received):
            await secured.write(reply)
    return bytes(received)


def _check(asker: Asker) -> None:
    if asker.refused:
        raise LinkClosed(Ending.REFUSED)
