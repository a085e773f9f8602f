"""Addresses of machines."""

from __future__ import annotations

import pytest

from esper.http.addresses import is_loopback, is_same_address, subscriber


def test_loopback_is_this_machine_alone() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost")))
    assert not any(map(is_loopback, ("10.0.0.1", "0.0.0.0", "::", "localhost.example", "")))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "x", False),
    ],
)
def test_a_subscriber_is_an_address_or_a_network(one: str, other: str, same: bool) -> None:
    assert (subscriber(one) == subscriber(other)) == same


def test_an_address_is_the_same_however_it_is_written() -> None:
    assert is_same_address("::1", "0:0:0:0:0:0:0:1")
    assert not is_same_address("localhost", "localhost")
    assert not is_same_address("", "")
