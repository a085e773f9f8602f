"""Whom a command means: an id, an address, a multiaddr."""

from typing import Final

from esper.node.peers.port import PeersError, Target
from esper.p2p.peers.multiaddr import (
    ID_CHARACTERS,
    AddressTextError,
    Multiaddr,
    parse_endpoint,
    parse_multiaddr,
    peer_id_from_text,
)

FORMS: Final = (
    "name an id (12D3KooW...), an address (192.0.2.7, 192.0.2.7:9333) or a multiaddr "
    "(/ip4/192.0.2.7/tcp/9333/p2p/12D3KooW...)"
)


def target_of(text: str, field: str) -> Target:
    """An id, an address, or the id of a multiaddr. Raises PeersError that names the field."""
    try:
        if text.startswith("/"):
            return Target(peer_id=parse_multiaddr(text).peer_id)
        if len(text) == ID_CHARACTERS and text.isalnum():
            return Target(peer_id=peer_id_from_text(text))
        ip, port = parse_endpoint(text)
    except AddressTextError as error:
        raise PeersError(field, f"{error.part}: {error.what}", FORMS) from error
    return Target(ip=ip, port=port)


def multiaddr_of(text: str, field: str) -> Multiaddr:
    """Whom to dial. Raises PeersError that names the field."""
    try:
        return parse_multiaddr(text)
    except AddressTextError as error:
        what = error.what if error.part == field else f"{error.part}: {error.what}"
        raise PeersError(field, what, error.remedy) from error
