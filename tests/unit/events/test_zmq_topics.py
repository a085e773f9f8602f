"""Addresses that nobody else reaches, and which topics share one."""

from __future__ import annotations

import pytest

from esper.events.zmq_topics import HIGH_WATER, SharedAddressError, parse_zmq_address, planned

HERE = "tcp://127.0.0.1:28332"


@pytest.mark.parametrize(
    "address",
    [HERE, "tcp://127.9.9.9:1", "tcp://[::1]:65535", "ipc:///run/esper/blocks", "ipc:///a b"],
)
def test_addresses_of_this_machine_are_taken(address: str) -> None:
    assert parse_zmq_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "tcp://0.0.0.0:28332",
        "tcp://[::]:28332",
        "tcp://*:28332",
        "tcp://192.168.0.7:28332",
        "tcp://[2001:db8::1]:28332",
        "tcp://[::ffff:192.168.0.7]:28332",
        "tcp://localhost:28332",
        "tcp://eth0:28332",
        "tcp://127.1:28332",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:*",
        "tcp://127.0.0.1:28332\n",
        "tcp://127.0.0.1:28332;tcp://0.0.0.0:1",
        "tcp://0177.0.0.1:1",
        "127.0.0.1:28332",
        "udp://127.0.0.1:28332",
        "pgm://127.0.0.1:28332",
        "inproc://a",
        "ipc://relative",
        "ipc://@abstract",
        "ipc://*",
        "ipc:///a\x00b",
        "ipc:///" + "a" * 100,
    ],
)
def test_others_are_refused_with_a_sentence(address: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_zmq_address(address)


def test_topics_share_an_address_where_as_many_wait() -> None:
    empty = dict.fromkeys(HIGH_WATER, "")
    assert not planned(empty).sockets
    together = planned({**empty, "hashblock": HERE, "sequence": HERE, "rawblock": "ipc:///b"})
    assert together.sockets == {HERE: 65_536, "ipc:///b": 16}
    assert together.places.keys() == {"hashblock", "sequence", "rawblock"}
    for other in ("rawblock", "rawtx"):
        with pytest.raises(SharedAddressError, match=f"hashblock and {other} cannot share"):
            planned({**empty, "hashblock": HERE, other: HERE})
