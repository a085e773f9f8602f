"""Where a peer listens and who it is, as people write it.

    /ip4/192.0.2.7/tcp/9333/p2p/12D3KooW...      or /ip6/2001:db8::7/tcp/...

A peer's id is its Ed25519 key in 38 bytes, written in base 58 as libp2p does: 52 characters. An
endpoint is an address with a port alone: ``192.0.2.7:9333``, ``[2001:db8::7]:9333``.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

IP_BYTES: Final = 16
PEER_ID_BYTES: Final = 38
ID_PREFIX: Final = bytes.fromhex("002408011220")
"""The identity multihash of a protobuf with an Ed25519 key, whose 32 bytes follow."""
ID_CHARACTERS: Final = 52
MOST_PORT: Final = 65_535
MAX_TEXT: Final = 128
"""Characters: more than any address has."""
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {character: digit for digit, character in enumerate(_ALPHABET)}
_MAPPED: Final = bytes(10) + b"\xff\xff"
_FORM: Final = "write it as /ip4/ADDRESS/tcp/PORT/p2p/ID"
_ENDPOINT: Final = "write it as ADDRESS or ADDRESS:PORT, an IPv6 address with a port in brackets"


class AddressTextError(ValueError):
    """A text that is no peer's address: which part, and what helps."""

    def __init__(self, part: str, what: str, remedy: str) -> None:
        super().__init__(f"{part}: {what}; {remedy}")
        self.part = part
        """The part that is wrong."""
        self.what = what
        """What is wrong with it."""
        self.remedy = remedy
        """What must stand there."""


@dataclass(frozen=True, slots=True)
class Multiaddr:
    """A peer and where it listens."""

    ip: bytes
    """16 bytes, IPv4 mapped."""
    port: int
    """1 to 65535."""
    peer_id: bytes
    """38 bytes."""

    def __str__(self) -> str:
        kind = "ip4" if self.ip.startswith(_MAPPED) else "ip6"
        return f"/{kind}/{ip_text(self.ip)}/tcp/{self.port}/p2p/{peer_id_text(self.peer_id)}"


def parse_multiaddr(text: str) -> Multiaddr:
    """Read where a peer listens and who it is. Raises AddressTextError."""
    if len(text) > MAX_TEXT:
        raise AddressTextError("address", f"has more than {MAX_TEXT} characters", _FORM)
    parts = text.split("/")
    if len(parts) != 7 or parts[0] or parts[3] != "tcp" or parts[5] != "p2p":
        raise AddressTextError("address", f"{text!r} has another form", _FORM)
    _, kind, host, _, port, _, peer_id = parts
    if kind not in ("ip4", "ip6"):
        raise AddressTextError("kind", f"{kind!r} is none that is dialled", "write ip4 or ip6")
    ip = ip_from_text(host)
    if ip.startswith(_MAPPED) != (kind == "ip4") or (kind == "ip4") != (":" not in host):
        other = f"write an IPv{kind[2]} address"
        raise AddressTextError("host", f"{host!r} is of the other kind", other)
    return Multiaddr(ip, port_from_text(port), peer_id_from_text(peer_id))


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
    return ip_from_text(host), port_from_text(port) if port else 0


def endpoint_text(ip: bytes, port: int) -> str:
    """Address and port as people write them."""
    host = ip_text(ip)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def peer_id_text(peer_id: bytes) -> str:
    """The 52 characters of an id. Raises ValueError for bytes that are no Ed25519 id."""
    if len(peer_id) != PEER_ID_BYTES or not peer_id.startswith(ID_PREFIX):
        raise ValueError("a peer's id has 38 bytes that begin with 002408011220")
    number = int.from_bytes(peer_id, "big")
    characters = []
    while number:
        number, digit = divmod(number, 58)
        characters.append(_ALPHABET[digit])
    # The leading zero byte is a leading 1.
    return "1" + "".join(reversed(characters))


def peer_id_from_text(text: str) -> bytes:
    """The 38 bytes of an id. Raises AddressTextError."""
    remedy = "it is the text that begins with 12D3KooW, as `esperd peers` prints it"
    if len(text) != ID_CHARACTERS:
        raise AddressTextError(
            "id", f"has {len(text)} characters instead of {ID_CHARACTERS}", remedy
        )
    if text[0] != "1":
        raise AddressTextError("id", "begins with no 1", remedy)
    number = 0
    for character in text:
        if character not in _DIGITS:
            raise AddressTextError("id", f"{character!r} does not occur in base 58", remedy)
        number = number * 58 + _DIGITS[character]
    # 51 digits behind the 1 stay below 2^299, so the number always fits.
    peer_id = number.to_bytes(PEER_ID_BYTES, "big")
    if not peer_id.startswith(ID_PREFIX):
        raise AddressTextError("id", "is of another kind of key than Ed25519", remedy)
    return peer_id


def ip_from_text(text: str) -> bytes:
    """16 bytes of an address in its usual writing. Raises AddressTextError."""
    remedy = "write an IPv4 or IPv6 address, names are not looked up"
    # A zone ("%eth0") means another interface on each machine.
    try:
        address = None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None:
        raise AddressTextError("host", f"{text!r} is no address", remedy)
    return _MAPPED + address.packed if address.version == 4 else address.packed


def ip_text(ip: bytes) -> str:
    """The usual writing of 16 bytes of an address."""
    mapped = ip.startswith(_MAPPED)
    return str(ipaddress.IPv4Address(ip[12:]) if mapped else ipaddress.IPv6Address(ip))


def port_from_text(text: str) -> int:
    """A port from 1 to 65535. Raises AddressTextError."""
    # isascii: other scripts' digits are digits to Python.
    usual = text.isascii() and text.isdigit() and len(text) <= 5 and text[0] != "0"
    if not usual or int(text) > MOST_PORT:
        raise AddressTextError("port", f"{text!r} is none", f"write 1 to {MOST_PORT}")
    return int(text)
