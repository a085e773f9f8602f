import ipaddress
from collections.abc import Callable

import pytest

from esper.p2p.peers.netgroup import (
    GROUP_BYTES,
    Localities,
    Reach,
    ban_key,
    group_of,
    ip_from_text,
    ip_text,
    is_local,
    is_routable,
    may_be_told,
    near_key,
    reach_of,
    wide_key,
)
from tests.support.net.peer_world import ip


@pytest.mark.parametrize(
    ("text", "reach"),
    [
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.9.8.7", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("10.1.2.3", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("172.31.255.255", Reach.PRIVATE),
        ("172.32.0.0", Reach.ROUTABLE),
        ("192.168.1.1", Reach.PRIVATE),
        ("169.254.1.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("100.128.0.1", Reach.ROUTABLE),
        ("fc00::1", Reach.PRIVATE),
        ("fd12::1", Reach.PRIVATE),
        ("fe80::1", Reach.PRIVATE),
        ("0.0.0.0", Reach.NOWHERE),
        ("192.0.2.1", Reach.NOWHERE),
        ("198.51.100.1", Reach.NOWHERE),
        ("203.0.113.1", Reach.NOWHERE),
        ("224.0.0.1", Reach.NOWHERE),
        ("255.255.255.255", Reach.NOWHERE),
        ("::", Reach.NOWHERE),
        ("::2", Reach.NOWHERE),
        ("64:ff9b::1", Reach.NOWHERE),
        ("ff02::1", Reach.NOWHERE),
        ("2001:db8::1", Reach.NOWHERE),
        ("2001::1", Reach.NOWHERE),
        ("2002:102:304::1", Reach.NOWHERE),
        ("8.8.8.8", Reach.ROUTABLE),
        ("2600::1", Reach.ROUTABLE),
        ("2001:470::1", Reach.ROUTABLE),
    ],
)
def test_reach(text: str, reach: Reach) -> None:
    assert reach_of(ip(text)) is reach
    assert is_local(ip(text)) is (reach in (Reach.LOOPBACK, Reach.PRIVATE))
    assert is_routable(ip(text)) is (reach is Reach.ROUTABLE)
    if reach is Reach.ROUTABLE:
        assert ipaddress.ip_address(text).is_global


@pytest.mark.parametrize(
    ("told", "over", "may"),
    [
        ("127.0.0.1", "127.0.0.2", True),
        ("127.0.0.1", "10.0.0.1", False),
        ("127.0.0.1", "8.8.8.8", False),
        ("10.0.0.1", "127.0.0.1", True),
        ("10.0.0.1", "192.168.0.1", True),
        ("10.0.0.1", "8.8.8.8", False),
        ("8.8.8.8", "9.9.9.9", True),
        ("8.8.8.8", "127.0.0.1", True),
        ("224.0.0.1", "127.0.0.1", False),
    ],
)
def test_who_may_be_told(told: str, over: str, may: bool) -> None:
    assert may_be_told(ip(told), ip(over)) is may


def test_groups_are_blocks_of_addresses() -> None:
    assert group_of(ip("8.9.1.1"), 1, local_groups=True) == group_of(
        ip("8.9.255.1"), 2, local_groups=False
    )
    assert group_of(ip("8.9.1.1"), 1, local_groups=True) != group_of(
        ip("8.8.1.1"), 1, local_groups=True
    )
    assert group_of(ip("2600:1:2::"), 1, local_groups=True) == group_of(
        ip("2600:1:ffff::"), 1, local_groups=True
    )
    assert group_of(ip("2600:1::"), 1, local_groups=True) != group_of(
        ip("2600:2::"), 1, local_groups=True
    )


def test_local_ports_are_groups_only_where_they_are_to_be() -> None:
    one = group_of(ip("127.0.0.1"), 1, local_groups=True)
    assert one != group_of(ip("127.0.0.1"), 2, local_groups=True)
    assert len(one) == GROUP_BYTES
    assert group_of(ip("127.0.0.1"), 1, local_groups=False) == group_of(
        ip("127.0.9.1"), 2, local_groups=False
    )
    assert Localities(own_groups=True).group(ip("10.0.0.1"), 7) == group_of(
        ip("10.0.0.1"), 7, local_groups=True
    )


def test_no_ipv4_key_equals_one_of_ipv6() -> None:
    # 0x0809:: begins with the bytes of 8.9.
    for key in (ban_key, near_key, wide_key):
        assert key(ip("8.9.0.0")) != key(ip("809::"))


@pytest.mark.parametrize(
    ("key", "one", "same", "other"),
    [
        (ban_key, "8.8.8.8", "8.8.8.8", "8.8.8.9"),
        (ban_key, "2600:1:2:3::1", "2600:1:2:3:ffff::", "2600:1:2:4::1"),
        (near_key, "8.8.8.8", "8.8.8.255", "8.8.9.8"),
        (near_key, "2600:1:2:3::1", "2600:1:2:ffff::", "2600:1:3:3::1"),
        (wide_key, "8.8.8.8", "8.8.255.8", "8.9.8.8"),
        (wide_key, "2600:1:2:3::1", "2600:1:ffff::", "2600:2:2:3::1"),
    ],
)
def test_keys(key: Callable[[bytes], bytes], one: str, same: str, other: str) -> None:
    assert key(ip(one)) == key(ip(same))
    assert key(ip(one)) != key(ip(other))


@pytest.mark.parametrize("text", ["8.8.8.8", "::1", "2600::1", "127.0.0.1"])
def test_texts_come_back(text: str) -> None:
    assert len(ip_from_text(text)) == 16
    assert ip_text(ip_from_text(text)) == text


@pytest.mark.parametrize("text", ["", "localhost", "8.8.8", "08.8.8.8", "fe80::1%eth0", "1" * 99])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ip_from_text(text)


def test_what_is_kept_and_spared() -> None:
    mainnet, devnet = Localities(own_groups=False), Localities(own_groups=True, kept=True)
    assert mainnet.keeps(ip("8.8.8.8"))
    assert not mainnet.keeps(ip("10.0.0.1"))
    assert devnet.keeps(ip("10.0.0.1"))
    assert devnet.keeps(ip("127.0.0.1"))
    assert not devnet.keeps(ip("224.0.0.1"))
    assert mainnet.spares(ip("10.0.0.1"))
    assert not mainnet.spares(ip("8.8.8.8"))
    assert not Localities(own_groups=False, spared=False).spares(ip("127.0.0.1"))
