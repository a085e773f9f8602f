"""Addresses to listen on: those of a name that work, with one port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from esper.http import listening
from esper.http.listening import ATTEMPTS, BindError, Listening, listen

V4 = (socket.AF_INET, ("127.0.0.1",))
OTHER_V4 = (socket.AF_INET, ("127.0.0.2",))
V6 = (socket.AF_INET6, ("::1",))
MISSING = (socket.AF_INET, ("192.0.2.1",))


def resolved(monkeypatch: pytest.MonkeyPatch, *found: tuple[int, tuple[str]]) -> None:
    """What names mean from now on."""

    async def getaddrinfo(host: str, port: int, **_: Any) -> Sequence[Any]:
        more: dict[int, tuple[int, ...]] = {socket.AF_INET: (), socket.AF_INET6: (0, 0)}
        return [(family, 1, 6, "", (*at, port, *more[family])) for family, at in found]

    monkeypatch.setattr(trio.socket, "getaddrinfo", getaddrinfo)


def listened(host: str = "name", port: int = 0) -> Listening:
    async def main() -> Listening:
        found = await listen(host, port)
        found.close()
        return found

    return trio.run(main)


def test_an_address_is_listened_on_and_named() -> None:
    found = listened("127.0.0.2")
    assert found.url == f"http://127.0.0.2:{found.port}/"
    assert len(found.listeners) == 1


@pytest.mark.parametrize(("host", "called"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1")])
def test_the_url_is_one_that_can_be_called(host: str, called: str) -> None:
    found = listened(host)
    assert found.url == f"http://{called}:{found.port}/"


@pytest.mark.parametrize(
    "missing",
    [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EACCES, errno.EPERM],
)
def test_an_address_that_this_machine_lacks_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, missing: int, caplog: pytest.LogCaptureFixture
) -> None:
    # As where IPv6 is off and the file of hosts still has ::1 for localhost.
    real = listening._bind

    def bind(family: int, at: tuple[Any, ...]) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(missing, "not here")
        return real(family, at)

    monkeypatch.setattr(listening, "_bind", bind)
    for found in ((V6, V4), (V4, V6)):
        resolved(monkeypatch, *found)
        made = listened("localhost")
        assert made.url == f"http://127.0.0.1:{made.port}/"
        assert len(made.listeners) == 1
        assert caplog.messages.pop() == "not listening on ::1: not here"
    resolved(monkeypatch, V6)
    with pytest.raises(BindError, match="localhost port 0: not here") as told:
        listened("localhost")
    assert "Another node" not in str(told.value)


def test_all_addresses_have_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, V4, MISSING, OTHER_V4, V4)

    async def main() -> None:
        found = await listen("name", 0)
        names = [listener.socket.getsockname() for listener in found.listeners]
        assert names == [("127.0.0.1", found.port), ("127.0.0.2", found.port)]
        found.close()

    trio.run(main)


def test_an_address_in_use_is_an_error_even_where_another_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        resolved(monkeypatch, V4, OTHER_V4)
        port = taken.getsockname()[1]
        with pytest.raises(BindError, match=f"port {port}.*Another node.*--rpc-port"):
            listened(port=port)
        # And nothing is left listening.
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


def test_any_port_is_one_that_is_free_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved(monkeypatch, V4, OTHER_V4)
    real, refusals = listening._bind, [True] * 3

    def bind(family: int, at: tuple[Any, ...]) -> socket.socket:
        if at[0] == "127.0.0.2" and refusals and refusals.pop():
            raise OSError(errno.EADDRINUSE, "taken")
        return real(family, at)

    monkeypatch.setattr(listening, "_bind", bind)
    assert len(listened().listeners) == 2
    assert refusals == []
    refusals += [True] * ATTEMPTS
    with pytest.raises(BindError, match="taken"):
        listened()


def test_a_lack_of_descriptors_is_no_missing_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(family: int, at: tuple[Any, ...]) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(listening, "_bind", bind)
    resolved(monkeypatch, V6, V4)
    with pytest.raises(BindError, match="ulimit -n"):
        listened("localhost")


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", "192.0.2.1"])
def test_a_name_that_means_nothing_here_is_told(host: str) -> None:
    with pytest.raises(BindError, match="this machine with --rpc-host") as told:
        listened(host)
    assert host in str(told.value)
    assert "Another node" not in str(told.value)
