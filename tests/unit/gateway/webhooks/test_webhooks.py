"""Webhooks: where they may go, what they say, and how often they try."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
import trio
import trio.testing

from esper.gateway.webhooks.address_judge import (
    WebhookAddressError,
    WebhookURLError,
    check_address,
    read_webhook_url,
)
from esper.gateway.webhooks.webhook_message import WebhookEvent
from esper.gateway.webhooks.webhook_sender import TRIES, Outgoing, WebhookSender

SECRET = bytes(range(32))
EVENT = WebhookEvent("e" * 32, "a" * 32, "proven")
URL = "https://hooks.example:8443/in?x=1"
PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
        *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "224.0.0.1"),
        *("239.255.255.255", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:93.184.216.34", "::ffff:10.0.0.1", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::1", "2001:0:7f00:1::", "64:ff9b:1::1", "2001:db8::1"),
        *("localhost", "", "1", "0x7f.1", "127.1"),
    ],
)
def test_addresses_that_are_not_called(address: str) -> None:
    with pytest.raises(WebhookAddressError):
        check_address(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "100.128.0.1"])
def test_addresses_that_are(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/", "ftp://a.example/", "https://", "https:///x", "a.example", ""),
        *("https://u@a.example/", "https://u:p@a.example/", "https://a.example/#f"),
        *("https://a.example:99999/", "https://a.example/\r\nx: y", "https://a.example/ x"),
        *("https://\u0430.example/", "https://a.example/" + "x" * 3000),
    ],
)
def test_urls_that_no_webhook_has(url: str) -> None:
    with pytest.raises(WebhookURLError):
        read_webhook_url(url)


def test_the_parts_of_a_url() -> None:
    target = read_webhook_url(URL)
    assert (target.host, target.port, target.path) == ("hooks.example", 8443, "/in?x=1")
    assert target.host_header == "hooks.example:8443"
    assert read_webhook_url("https://[2606:4700::1]").host_header == "[2606:4700::1]"


class Net:
    """Names that may change between two questions, and a host that answers."""

    def __init__(self, *answers: Sequence[str], statuses: Sequence[bytes] = ()) -> None:
        self.answers = list(answers)
        self.statuses = list(statuses)
        self.resolved = 0
        self.dialled: list[tuple[str, int, str]] = []
        self.heard: list[bytes] = []
        self.times: list[float] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        self.resolved += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def dial(self, address: str, port: int, host: str) -> trio.abc.Stream:
        self.dialled.append((address, port, host))
        self.times.append(trio.current_time())
        ours, theirs = trio.testing.memory_stream_pair()
        status = self.statuses.pop(0) if self.statuses else b"HTTP/1.1 204 No Content\r\n\r\n"
        if status == b"refused":
            raise ConnectionRefusedError
        if status != b"silent":
            await theirs.send_all(status)
            await theirs.send_eof()
        self._theirs = theirs
        return _Recorded(ours, self.heard)


class _Recorded(trio.abc.Stream):
    def __init__(self, inner: trio.StapledStream, heard: list[bytes]) -> None:  # type: ignore[type-arg]
        self._inner, self._heard = inner, heard

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._heard.append(bytes(data))
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        found: bytes | bytearray = await self._inner.receive_some(max_bytes)
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()


def deliver(net: Net, url: str = URL) -> bool:
    async def main() -> bool:
        sender = WebhookSender(net.resolve, net.dial, lambda: 1_796_043_595)
        return await sender.deliver(Outgoing(url, SECRET, EVENT))

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_is_sent() -> None:
    net = Net([PUBLIC])
    assert deliver(net)
    assert net.dialled == [(PUBLIC, 8443, "hooks.example")]
    head, _, body = net.heard[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /in?x=1 HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert headers["host"] == "hooks.example:8443"
    signed = hmac.new(SECRET, headers["esper-time"].encode() + body, hashlib.sha256)
    assert headers["esper-signature"] == signed.hexdigest()
    expected = {"id": "e" * 32, "type": "receipt.proven", "receipt": "a" * 32}
    assert json.loads(body) == expected


def test_a_name_that_turns_inwards_is_asked_once_and_dialled_as_judged() -> None:
    net = Net([PUBLIC], ["127.0.0.1"])
    assert deliver(net)
    assert net.resolved == 1
    assert [address for address, *_ in net.dialled] == [PUBLIC]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], [PUBLIC, "::1"], ["::ffff:127.0.0.1"]])
def test_a_name_of_an_address_within_is_not_dialled(addresses: list[str]) -> None:
    net = Net(addresses)
    assert not deliver(net)
    assert net.dialled == []
    assert net.resolved == 1


def test_a_name_that_turns_inwards_between_two_tries_is_judged_again() -> None:
    net = Net([PUBLIC], ["192.168.0.1"], statuses=[b"refused"])
    assert not deliver(net)
    assert len(net.dialled) == 1


def test_five_tries_ever_further_apart() -> None:
    net = Net([PUBLIC], statuses=[b"HTTP/1.1 500 No\r\n\r\n", b"refused", b"silent"] * 2)
    assert not deliver(net)
    assert len(net.dialled) == TRIES
    gaps = [later - sooner for sooner, later in pairwise(net.times)]
    assert all(later > sooner for sooner, later in pairwise(gaps))


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Here", b"404 Gone"])
def test_no_redirect_is_followed(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nlocation: https://127.0.0.1/\r\n\r\n"
    net = Net([PUBLIC], statuses=[answer] * TRIES)
    assert not deliver(net)
    assert {address for address, *_ in net.dialled} == {PUBLIC}
