"""Where a peer listens and who it is, and how people write that.

    /ip4/192.0.2.7/tcp/9333/p2p/12D3KooW...      or /ip6/2001:db8::7/tcp/...

A peer's id is its Ed25519 key in 38 bytes, written in base 58 as libp2p does: 52 characters.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

from esper.p2p.peers.netgroup import ip_from_text, ip_text, is_ipv4
from esper.p2p.wire.fields import PEER_ID_BYTES
from esper.primitives.hashing import u16

ID_PREFIX: Final = bytes.fromhex("002408011220")
"""The identity multihash of a protobuf with an Ed25519 key, whose 32 bytes follow."""
ID_CHARACTERS: Final = 52
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {character: digit for digit, character in enumerate(_ALPHABET)}
_FORM: Final = "/ip4/ADDRESS/tcp/PORT/p2p/ID"
MAX_TEXT: Final = 128
"""Characters: more than any address has."""


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
class PeerAddress:
    """A peer and where it listens."""

    ip: bytes
    """16 bytes, IPv4 mapped."""
    port: int
    """1 to 65535."""
    peer_id: bytes
    """38 bytes."""

    @property
    def endpoint(self) -> bytes:
        """Address and port, 18 bytes."""
        return self.ip + u16(self.port)

    def __str__(self) -> str:
        kind = "ip4" if is_ipv4(self.ip) else "ip6"
        return f"/{kind}/{ip_text(self.ip)}/tcp/{self.port}/p2p/{peer_id_text(self.peer_id)}"


def peer_id_text(peer_id: bytes) -> str:
    """The 52 characters of an id. Raises ValueError for bytes that are no Ed25519 id."""
    if len(peer_id) != PEER_ID_BYTES or not peer_id.startswith(ID_PREFIX):
        raise ValueError("a peer's id has 38 bytes that begin with 002408011220")
    number = int.from_bytes(peer_id, "big")
    characters = []
    while number:
        number, digit = divmod(number, 58)
        characters.append(_ALPHABET[digit])
    # A leading zero byte is a leading 1; there is exactly one.
    return "1" + "".join(reversed(characters))


def peer_id_from_text(text: str) -> bytes:
    """The 38 bytes of an id. Raises AddressTextError."""
    remedy = "it is the text that begins with 12D3KooW, as `esperd` prints it"
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


def parse_peer_address(text: str) -> PeerAddress:
    """Read the address of a peer. Raises AddressTextError that names the part and the remedy."""
    whole = f"write it as {_FORM}"
    if len(text) > MAX_TEXT:
        raise AddressTextError("address", f"has more than {MAX_TEXT} characters", whole)
    parts = text.split("/")
    if len(parts) != 7 or parts[0] or parts[3] != "tcp" or parts[5] != "p2p":
        raise AddressTextError("address", f"{text!r} has another form", whole)
    _, kind, host, _, port, _, peer_id = parts
    return PeerAddress(_ip(kind, host), port_from_text(port), peer_id_from_text(peer_id))


def _ip(kind: str, host: str) -> bytes:
    if kind not in ("ip4", "ip6"):
        raise AddressTextError("kind", f"{kind!r} is none that is dialled", "write ip4 or ip6")
    remedy = f"write an IPv{kind[2]} address, names are not looked up"
    try:
        ip = ip_from_text(host)
    except ValueError as error:
        raise AddressTextError("host", f"{host!r} is no address", remedy) from error
    if ipaddress.ip_address(host).version != int(kind[2]) or (kind == "ip6" and is_ipv4(ip)):
        raise AddressTextError("host", f"{host!r} is of the other kind", remedy)
    return ip


def port_from_text(text: str) -> int:
    """A port from 1 to 65535. Raises AddressTextError."""
    # isascii: other scripts' digits are digits to Python.
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and text[0] != "0"):
        raise AddressTextError("port", f"{text!r} is none", "write a number from 1 to 65535")
    port = int(text)
    if port > 0xFFFF:
        raise AddressTextError("port", f"{port} is too large", "write a number from 1 to 65535")
    return port
