"""Addresses of peers as people write them: read strictly, and written back the same."""

from __future__ import annotations

import pytest

from esper.p2p.peers.multiaddr import (
    ID_PREFIX,
    AddressTextError,
    Multiaddr,
    endpoint_text,
    ip_from_text,
    parse_endpoint,
    parse_multiaddr,
    peer_id_from_text,
    peer_id_text,
)

PEER_ID = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
KEY = bytes.fromhex("2ffa35a99d3a3cfbb17bb7c1dc5561b18a8dcca4df38dc613ea859c37eb1336b")


def test_an_id_and_its_text() -> None:
    assert peer_id_from_text(PEER_ID) == ID_PREFIX + KEY
    assert peer_id_text(ID_PREFIX + KEY) == PEER_ID
    for key in (bytes(32), b"\xff" * 32):
        assert peer_id_from_text(peer_id_text(ID_PREFIX + key)) == ID_PREFIX + key
    for wrong in (ID_PREFIX + bytes(31), b"\1" + ID_PREFIX[1:] + bytes(32)):
        with pytest.raises(ValueError, match="002408011220"):
            peer_id_text(wrong)


@pytest.mark.parametrize(
    ("text", "ip", "port"),
    [
        (f"/ip4/192.0.2.7/tcp/9333/p2p/{PEER_ID}", bytes(10) + b"\xff\xff\xc0\x00\x02\x07", 9333),
        (f"/ip6/2001:db8::7/tcp/1/p2p/{PEER_ID}", b"\x20\x01\x0d\xb8" + bytes(11) + b"\7", 1),
        (f"/ip6/::1/tcp/65535/p2p/{PEER_ID}", bytes(15) + b"\1", 65535),
    ],
)
def test_an_address_is_read_and_written_back(text: str, ip: bytes, port: int) -> None:
    found = parse_multiaddr(text)
    assert found == Multiaddr(ip, port, ID_PREFIX + KEY)
    assert str(found) == text


TAIL = f"tcp/9333/p2p/{PEER_ID}"
BAD: list[tuple[str, str, str]] = [
    ("", "address", "write it as /ip4/"),
    ("192.0.2.7:9333", "address", "write it as /ip4/"),
    (f"/ip4/192.0.2.7/udp/9333/p2p/{PEER_ID}", "address", "write it as"),
    (f"/ip4/192.0.2.7/tcp/9333/p2q/{PEER_ID}", "address", "write it as"),
    (f"x/ip4/192.0.2.7/{TAIL}", "address", "write it as"),
    (f"/ip4/192.0.2.7/{TAIL}/", "address", "write it as"),
    ("/ip4/" + "1" * 200, "address", "more than 128 characters"),
    (f"/dns4/seed.example/{TAIL}", "kind", "write ip4 or ip6"),
    (f"/ip4/seed.example/{TAIL}", "host", "names are not looked up"),
    (f"/ip4/192.0.2.07/{TAIL}", "host", "is no address"),
    (f"/ip6/fe80::1%eth0/{TAIL}", "host", "is no address"),
    (f"/ip4/2001:db8::7/{TAIL}", "host", "write an IPv4 address"),
    (f"/ip6/192.0.2.7/{TAIL}", "host", "write an IPv6 address"),
    (f"/ip6/::ffff:192.0.2.7/{TAIL}", "host", "write an IPv6 address"),
    (f"/ip4/::ffff:192.0.2.7/{TAIL}", "host", "write an IPv4 address"),
    (f"/ip4/192.0.2.7/tcp/0/p2p/{PEER_ID}", "port", "from 1 to 65535"),
    (f"/ip4/192.0.2.7/tcp/65536/p2p/{PEER_ID}", "port", "from 1 to 65535"),
    (f"/ip4/192.0.2.7/tcp/01/p2p/{PEER_ID}", "port", "from 1 to 65535"),
    (f"/ip4/192.0.2.7/tcp/\u0661/p2p/{PEER_ID}", "port", "from 1 to 65535"),
    (f"/ip4/192.0.2.7/tcp/123456/p2p/{PEER_ID}", "port", "from 1 to 65535"),
    (f"/ip4/192.0.2.7/tcp/9333/p2p/{PEER_ID[:-1]}", "id", "51 characters instead of 52"),
    (f"/ip4/192.0.2.7/tcp/9333/p2p/{PEER_ID[:-1]}0", "id", "does not occur in base 58"),
    (f"/ip4/192.0.2.7/tcp/9333/p2p/2{PEER_ID[1:]}", "id", "begins with no 1"),
    (f"/ip4/192.0.2.7/tcp/9333/p2p/1z{PEER_ID[2:]}", "id", "another kind of key"),
]


@pytest.mark.parametrize(("text", "part", "told"), BAD)
def test_another_text_is_refused_with_its_part_and_the_remedy(
    text: str, part: str, told: str
) -> None:
    with pytest.raises(AddressTextError) as refused:
        parse_multiaddr(text)
    assert refused.value.part == part
    assert str(refused.value) == f"{part}: {refused.value.what}; {refused.value.remedy}"
    assert told in str(refused.value)


def test_endpoints() -> None:
    four, six = ip_from_text("192.0.2.7"), ip_from_text("2001:db8::7")
    for text, found in {
        "192.0.2.7": (four, 0),
        "192.0.2.7:9333": (four, 9333),
        "2001:db8::7": (six, 0),
        "[2001:db8::7]": (six, 0),
        "[2001:db8::7]:9333": (six, 9333),
    }.items():
        assert parse_endpoint(text) == found
    assert endpoint_text(four, 9333) == "192.0.2.7:9333"
    assert endpoint_text(six, 9333) == "[2001:db8::7]:9333"


@pytest.mark.parametrize(
    "text",
    ["", "host", "192.0.2.7:", "192.0.2.7:0", ":9333", "[192.0.2.7]:1", "[::1", "[::1]9", "[::1]:",
     "1" * 129, "192.0.2.7:9333:1"],
)  # fmt: skip
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(AddressTextError):
        parse_endpoint(text)
