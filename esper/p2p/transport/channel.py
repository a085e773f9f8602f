"""The bytes of a TCP connection, in the shape in which libp2p's Noise reads and writes them."""

from typing import Final

import trio

from esper.p2p.transport.guard import violation
from esper.p2p.transport.link import Ending, LinkClosed

READ_BYTES: Final = 64 * 1024
"""That one call of the system may bring."""
HANDSHAKE_BYTES: Final = 16 * 1024
"""That a peer may make us look at until both streams are open."""


class SocketChannel:
    """Reads exactly what is asked for, counts, and closes the socket at once when told."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.buffer = bytearray()
        """What has come and has not been read."""
        self.bytes_in = 0
        self.bytes_out = 0
        self.in_handshake = True
        """While it lasts, no more than 16 KiB are read."""

    async def more(self) -> None:
        """Wait for more bytes in ``buffer``. Raises LinkClosed at the end."""
        self.check_handshake(0)
        try:
            data = await self._stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, OSError) as error:
            raise LinkClosed(Ending.PEERS) from error
        except trio.ClosedResourceError as error:
            raise LinkClosed(Ending.OURS) from error
        if not data:
            raise LinkClosed(Ending.PEERS)
        self.bytes_in += len(data)
        self.buffer += data

    async def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes: libp2p gives up on what comes in over a hundred pieces."""
        self.check_handshake(size)
        while len(self.buffer) < size:
            await self.more()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    async def write(self, data: bytes) -> None:
        """Send all. Raises LinkClosed."""
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, OSError) as error:
            raise LinkClosed(Ending.PEERS) from error
        except trio.ClosedResourceError as error:
            raise LinkClosed(Ending.OURS) from error
        self.bytes_out += len(data)

    def check_handshake(self, size: int) -> None:
        """Raise Fault if ``size`` more bytes are too many for a handshake."""
        if self.in_handshake and self.bytes_in - len(self.buffer) + size > HANDSHAKE_BYTES:
            raise violation(f"more than {HANDSHAKE_BYTES} bytes before both streams are open")

    def close(self) -> None:
        """Close the socket; whoever waits for it gets LinkClosed."""
        self._stream.socket.close()
