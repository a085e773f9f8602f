import pytest

from esper.p2p.peers.peer_address import (
    ID_CHARACTERS,
    ID_PREFIX,
    AddressTextError,
    PeerAddress,
    parse_peer_address,
    peer_id_from_text,
    peer_id_text,
)
from tests.support.net.peer_world import at, ip, peer_id

TEXTS = {
    "00" * 32: "12D3KooW9pNAk8aiBuGVQtWRdbkLmo5qVL3e2h5UxbN2Nz9ttwiw",
    "ff" * 32: "12D3KooWT3gYEvLJyx1FyyHqrmvdy1tMjpgxmu9aSeKMEuafQtyC",
    "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e": (
        "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"
    ),
    bytes(range(32)).hex(): "12D3KooW9pP4Seg3kZYhySpuVjn1RPdQBsUFZKiFxGMGQN5MeL6A",
}
"""Ids of keys as libp2p writes them; the third is the example of its specification."""


@pytest.mark.parametrize(("key", "text"), TEXTS.items())
def test_an_id_reads_as_libp2p_writes_it(key: str, text: str) -> None:
    assert peer_id_text(ID_PREFIX + bytes.fromhex(key)) == text
    assert peer_id_from_text(text) == ID_PREFIX + bytes.fromhex(key)


@pytest.mark.parametrize("value", [0, 1, (1 << 256) - 1, 1 << 255])
def test_ids_have_52_characters_and_come_back(value: int) -> None:
    text = peer_id_text(peer_id(value))
    assert len(text) == ID_CHARACTERS
    assert text.startswith("12D3KooW")
    assert peer_id_from_text(text) == peer_id(value)


@pytest.mark.parametrize(
    "wrong", [b"", ID_PREFIX + b"\1" * 31, b"\1" + (ID_PREFIX + b"\1" * 32)[1:]]
)
def test_other_bytes_are_no_id(wrong: bytes) -> None:
    with pytest.raises(ValueError, match="38 bytes"):
        peer_id_text(wrong)


def test_addresses_come_back() -> None:
    for text in ("8.8.8.8", "2600::7", "127.0.0.1"):
        address = at(text, port=65535, number=77)
        assert parse_peer_address(str(address)) == address
    assert str(at("8.8.8.8")).startswith("/ip4/8.8.8.8/tcp/9333/p2p/12D3KooW")
    assert str(at("2600::7")).startswith("/ip6/2600::7/tcp/9333/p2p/12D3KooW")


ID = peer_id_text(peer_id(5))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "address"),
        ("8.8.8.8:9333", "address"),
        (f"ip4/8.8.8.8/tcp/9333/p2p/{ID}", "address"),
        (f"/ip4/8.8.8.8/tcp/9333/p2p/{ID}/", "address"),
        (f"/ip4/8.8.8.8/udp/9333/p2p/{ID}", "address"),
        (f"/ip4/8.8.8.8/tcp/9333/ipfs/{ID}", "address"),
        ("/ip4/8.8.8.8/tcp/9333", "address"),
        ("/" * 200, "address"),
        (f"/dns4/example.org/tcp/9333/p2p/{ID}", "kind"),
        (f"/ip4/example.org/tcp/9333/p2p/{ID}", "host"),
        (f"/ip6/8.8.8.8/tcp/9333/p2p/{ID}", "host"),
        (f"/ip4/::1/tcp/9333/p2p/{ID}", "host"),
        (f"/ip6/::ffff:8.8.8.8/tcp/9333/p2p/{ID}", "host"),
        (f"/ip4/8.8.8.8/tcp/0/p2p/{ID}", "port"),
        (f"/ip4/8.8.8.8/tcp/65536/p2p/{ID}", "port"),
        (f"/ip4/8.8.8.8/tcp/09333/p2p/{ID}", "port"),
        (f"/ip4/8.8.8.8/tcp/+9333/p2p/{ID}", "port"),
        (f"/ip4/8.8.8.8/tcp/٩/p2p/{ID}", "port"),
        (f"/ip4/8.8.8.8/tcp//p2p/{ID}", "port"),
        (f"/ip4/8.8.8.8/tcp/9333/p2p/{ID[:-1]}", "id"),
        (f"/ip4/8.8.8.8/tcp/9333/p2p/{ID}1", "id"),
        (f"/ip4/8.8.8.8/tcp/9333/p2p/{ID[:-1]}0", "id"),
        (f"/ip4/8.8.8.8/tcp/9333/p2p/{'z' * 52}", "id"),
        (f"/ip4/8.8.8.8/tcp/9333/p2p/1{'z' * 51}", "id"),
        (f"/ip4/8.8.8.8/tcp/9333/p2p/{'1' * 52}", "id"),
    ],
)
def test_an_error_names_the_part_and_what_helps(text: str, part: str) -> None:
    with pytest.raises(AddressTextError) as caught:
        parse_peer_address(text)
    assert caught.value.part == part
    assert caught.value.remedy in str(caught.value)


def test_an_endpoint_is_address_and_port() -> None:
    assert PeerAddress(ip("8.8.8.8"), 258, peer_id(1)).endpoint == ip("8.8.8.8") + b"\1\2"
