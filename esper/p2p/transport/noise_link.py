"""Noise by libp2p: both sides prove that they have the keys of their ids.

The only module that imports libp2p, and late: that costs 2 seconds and 65 MB. Of it only Noise and
the ids are used; the decision page says what is wrong with the rest.
"""

import logging
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from esper.p2p.faults import Fault
from esper.p2p.transport.channel import SocketChannel
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Ending, LinkClosed

if TYPE_CHECKING:
    from libp2p.crypto.keys import PrivateKey

NOISE: Final = "/noise"
LENGTH_BYTES: Final = 2
"""Of a sealed message, before it."""


@dataclass(frozen=True, slots=True)
class _Library:
    """What we use of libp2p."""

    pattern: Any
    peer_id: Any
    key_pair: Any
    wrong_id: type[Exception]
    session_key: "PrivateKey"
    """X25519, made at each start: a node is known by its id, which signs this key."""


def prepare() -> None:
    """Import libp2p; call it in a thread before the first connection, for it takes 2 seconds."""
    _library()


@lru_cache(maxsize=1)
def _library() -> _Library:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from libp2p.crypto.ed25519 import create_new_key_pair
        from libp2p.crypto.keys import KeyType
        from libp2p.crypto.serialization import key_type_to_public_key_deserializer as readers
        from libp2p.crypto.x25519 import create_new_key_pair as create_session_key
        from libp2p.peer.id import ID
        from libp2p.security.noise.exceptions import PeerIDMismatchesPubkey
        from libp2p.security.noise.patterns import PatternXX
    # It tells strangers' doings line by line: whatever matters comes back as an exception. Its
    # import sets the level itself.
    logging.getLogger("libp2p").setLevel(logging.CRITICAL + 1)
    # Ids are Ed25519 alone. Reading and checking a key of RSA may be made to take 45 ms.
    for kind in [kind for kind in readers if kind != KeyType.Ed25519.value]:
        del readers[kind]
    session = create_session_key().private_key
    return _Library(PatternXX, ID, create_new_key_pair, PeerIDMismatchesPubkey, session)


class SecuredChannel:
    """Messages that nobody but the peer can have sent, or read.

    The library seals and opens them. Around it, its reader and writer copy more and log each.
    """

    def __init__(self, channel: SocketChannel, cipher: Any, remote_id: bytes) -> None:
        self._channel = channel
        self._cipher = cipher
        self.remote_id = remote_id

    async def read_message(self) -> bytes:
        """The next message, up to 65,519 bytes, perhaps none. Raises LinkClosed or Fault."""
        size = int.from_bytes(await self._channel.read(LENGTH_BYTES))
        sealed = await self._channel.read(size)
        try:
            message: bytes = self._cipher.decrypt(sealed)
        except Exception as error:
            # Anybody on the way may have changed the bytes: nobody is to blame.
            raise LinkClosed(Ending.BROKEN, "bytes that the peer did not seal") from error
        return message

    async def write(self, data: bytes) -> None:
        """Send one message of at most 65,519 bytes. Raises LinkClosed.

        Whoever cancels it must close the connection: Noise counts its messages.
        """
        sealed: bytes = self._cipher.encrypt(data)
        await self._channel.write(len(sealed).to_bytes(LENGTH_BYTES) + sealed)


async def secure(
    channel: SocketChannel, identity: Identity, *, outbound: bool, expected_id: bytes | None
) -> SecuredChannel:
    """Shake hands. The dialler may expect an id, or take any.

    Raises LinkClosed (another id, or none that we know the kind of, or a peer that cannot prove
    its id), or Fault for more bytes than a handshake has.
    """
    library = _library()
    keys = library.key_pair(identity.seed)
    own = library.peer_id(identity.node_id)
    pattern = library.pattern(own, keys.private_key, library.session_key)
    try:
        if outbound:
            expected = None if expected_id is None else library.peer_id(expected_id)
            session = await pattern.handshake_outbound(channel, expected)
        else:
            session = await pattern.handshake_inbound(channel)
    except (LinkClosed, Fault):
        raise
    except library.wrong_id as error:
        raise LinkClosed(Ending.WRONG_ID) from error
    except Exception as error:
        raise LinkClosed(Ending.BROKEN, "no proof of an id") from error
    return SecuredChannel(channel, session.conn, session.remote_peer.to_bytes())
