"""Addresses as people write them on command lines and in settings.

A peer's address says where it listens and who it is: see ``peer_address``. An endpoint is an
address with a port alone: ``192.0.2.7:9333``, ``[2001:db8::7]:9333``.
"""

from typing import Final

from esper.p2p.peers.netgroup import ip_from_text, ip_text
from esper.p2p.peers.peer_address import (
    ID_CHARACTERS,
    ID_PREFIX,
    MAX_TEXT,
    AddressTextError,
    peer_id_from_text,
    peer_id_text,
    port_from_text,
)
from esper.p2p.peers.peer_address import PeerAddress as Multiaddr
from esper.p2p.peers.peer_address import parse_peer_address as parse_multiaddr

__all__ = [
    "ID_CHARACTERS",
    "ID_PREFIX",
    "AddressTextError",
    "Multiaddr",
    "endpoint_text",
    "ip_from_text",
    "parse_endpoint",
    "parse_ip",
    "parse_multiaddr",
    "peer_id_from_text",
    "peer_id_text",
]

_ENDPOINT: Final = "write it as ADDRESS or ADDRESS:PORT, an IPv6 address with a port in brackets"


def parse_endpoint(text: str) -> tuple[bytes, int]:
    """16 bytes of an address, and its port, 0 if none is said. Raises AddressTextError."""
    if len(text) > MAX_TEXT:
        raise AddressTextError("address", f"has more than {MAX_TEXT} characters", _ENDPOINT)
    host, port = text, ""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and rest[0] != ":") or rest == ":" or ":" not in host:
            raise AddressTextError("address", f"{text!r} has another form", _ENDPOINT)
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not port:
            raise AddressTextError("port", "is missing behind the colon", _ENDPOINT)
    return parse_ip(host), port_from_text(port) if port else 0


def parse_ip(text: str) -> bytes:
    """16 bytes of an address in its usual writing. Raises AddressTextError."""
    try:
        return ip_from_text(text)
    except ValueError as error:
        remedy = "write an IPv4 or IPv6 address, names are not looked up"
        raise AddressTextError("host", f"{text!r} is no address", remedy) from error


def endpoint_text(ip: bytes, port: int) -> str:
    """Address and port as people write them."""
    host = ip_text(ip)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
