"""The listener and the dialler where the system fails them: no socket stays, and others come in."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from esper.p2p.transport import dialler, listener
from esper.p2p.transport.dialler import dial
from esper.p2p.transport.door import GRACE_MS, SLOTS
from esper.p2p.transport.link import Ending, LinkClosed
from esper.p2p.transport.listener import RETRY_S, Listener, accept
from tests.support.net.transport_world import HOST, NODE, PEER, PROTOCOLS, new_frames, world

OTHER = "127.0.0.9"


class Socket:
    """Of a connection from an address; None: it is gone already."""

    def __init__(self, ip: str | None = "2.0.0.1") -> None:
        self.ip = ip
        self.closed = False

    def getpeername(self) -> tuple[str, int]:
        if self.ip is None:
            raise OSError(errno.ENOTCONN, "gone")
        return self.ip, 9

    def close(self) -> None:
        self.closed = True


class Stream:
    """A connection that nobody speaks on."""

    def __init__(self, ip: str | None = "2.0.0.1") -> None:
        self.socket = Socket(ip)


class Knocks:
    """In the place of a socket that listens: gives what a test says, then nothing."""

    def __init__(self, *found: Any) -> None:
        self.found = list(found)
        self.times: list[float] = []
        self.socket = Socket()

    async def accept(self) -> Any:
        await trio.lowlevel.checkpoint()
        if not self.found:
            await trio.sleep_forever()
        self.times.append(trio.current_time())
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def listening(
    *knocks: Any, may_enter: Callable[[str], bool] = lambda ip: True, local: bool = True
) -> tuple[Listener, Knocks]:
    made: Any = Knocks(*knocks)
    return Listener([made], NODE, PROTOCOLS, new_frames(), lambda ip: local, may_enter), made


def run_for(
    seconds: float, made: Listener, on_link: Callable[[Any], None] = lambda link: None
) -> None:
    """Accept for a while."""

    async def main() -> None:
        with trio.move_on_after(seconds):
            await made.run(on_link)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_who_left_while_it_waited_costs_no_pause_and_the_system_s_want_does() -> None:
    gone, want = OSError(errno.ECONNABORTED, "gone"), OSError(errno.EMFILE, "no descriptor")
    made, knocks = listening(gone, gone, want, want, gone)
    run_for(60, made)
    began = knocks.times[0]
    waits = [round((at - began) / RETRY_S) for at in knocks.times]
    assert waits == [0, 0, 0, 1, 2]
    assert knocks.socket.closed


def test_a_listener_that_is_closed_accepts_no_more() -> None:
    made, knocks = listening(trio.ClosedResourceError(), Stream())
    run_for(60, made)
    assert len(knocks.times) == 1


def test_who_may_not_enter_or_is_gone_is_closed_before_it_takes_a_place() -> None:
    barred, gone = Stream("3.0.0.1"), Stream(None)
    made, _ = listening(barred, gone, may_enter=lambda ip: ip != "3.0.0.1")
    run_for(1, made)
    assert barred.socket.closed
    assert gone.socket.closed
    assert made.statistics().door.entered == 0


def test_who_knocks_too_often_is_closed_and_others_enter(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[Any] = []

    async def hang(stream: Any, *about: object) -> Any:
        entered.append(stream)
        await trio.sleep_forever()

    monkeypatch.setattr(listener, "accept", hang)
    streams = [Stream() for _ in range(3)] + [Stream("2.0.0.2")]
    made, _ = listening(*streams, local=False)
    run_for(1, made)
    assert entered == [streams[0], streams[1], streams[3]]
    # Whoever was shaking hands at the end is closed too, and has no place any more.
    assert all(one.socket.closed for one in streams)
    assert made.statistics().door.shaking == 0
    assert made._scopes == {}


def test_the_oldest_handshake_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    now = 0

    async def hang(stream: Any, *about: object) -> Any:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(streams.index(stream))

    monkeypatch.setattr(listener, "accept", hang)
    monkeypatch.setattr(listener, "now_ms", lambda: now)
    streams = [Stream() for _ in range(SLOTS + 1)]
    made, knocks = listening(*streams[:SLOTS])

    async def main() -> None:
        nonlocal now
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run, lambda link: None)
            await trio.testing.wait_all_tasks_blocked()
            now = GRACE_MS + 1
            number = made._knock(streams[SLOTS])  # type: ignore[arg-type]
            assert number is not None
            await trio.testing.wait_all_tasks_blocked()
            assert ended == [0]
            assert streams[0].socket.closed
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert len(knocks.times) == SLOTS


@pytest.mark.parametrize("ending", [Ending.DEADLINE, Ending.BROKEN])
def test_a_handshake_that_came_to_nothing_is_counted(
    ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*about: object) -> Any:
        raise LinkClosed(ending)

    monkeypatch.setattr(listener, "accept", fail)
    stream = Stream()
    made, _ = listening(stream)
    run_for(1, made)
    assert made.statistics().endings == {ending: 1}
    assert made.statistics().door.shaking == 0
    assert stream.socket.closed


def test_a_link_that_nobody_takes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    link: Any = Socket()

    async def made_of(*about: object) -> Any:
        return link

    def refuse(link: Any) -> None:
        raise RuntimeError("an error here")

    monkeypatch.setattr(listener, "accept", made_of)
    made, _ = listening(Stream())
    with pytest.raises(ExceptionGroup):
        run_for(1, made, refuse)
    assert link.closed


def test_who_is_gone_when_it_is_looked_at_is_closed() -> None:
    async def main() -> None:
        stream: Any = Stream(None)
        with pytest.raises(LinkClosed) as caught:
            await accept(stream, NODE, PROTOCOLS, new_frames())
        assert caught.value.ending is Ending.PEERS
        assert stream.socket.closed

    trio.run(main)


@pytest.mark.parametrize("side", ["dial", "accept"])
def test_ten_seconds_are_all_that_there_is(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*about: object, **more: object) -> Any:
        await trio.sleep_forever()

    monkeypatch.setattr(dialler, "open_link", hang)
    monkeypatch.setattr(dialler, "_connect", hang)
    monkeypatch.setattr(listener, "open_link", hang)

    async def main() -> None:
        stream: Any = Stream()
        began = trio.current_time()
        opening = (
            dial(HOST, 1, NODE.node_id, PEER, PROTOCOLS, new_frames())
            if side == "dial"
            else accept(stream, NODE, PROTOCOLS, new_frames())
        )
        with pytest.raises(LinkClosed) as caught:
            await opening
        assert caught.value.ending is Ending.DEADLINE
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


# Dialling.


def test_a_dial_comes_from_the_address_that_it_is_told() -> None:
    async def main() -> None:
        async with world() as made:
            await made.dial(OTHER)
            assert (await made.link()).remote_address[0] == OTHER

    trio.run(main)


def test_an_address_of_a_kind_that_this_machine_has_not_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*about: object) -> Any:
        raise OSError(errno.EAFNOSUPPORT, "no such family")

    monkeypatch.setattr("trio.socket.socket", fail)

    async def main() -> None:
        with pytest.raises(LinkClosed, match="no such family") as caught:
            await dial("::1", 1, NODE.node_id, PEER, PROTOCOLS, new_frames())
        assert caught.value.ending is Ending.UNREACHABLE

    trio.run(main)


@pytest.mark.parametrize(
    ("error", "raised"),
    [(OSError(errno.ECONNREFUSED, "no"), LinkClosed), (ZeroDivisionError(), ZeroDivisionError)],
)
def test_a_dial_that_fails_leaves_no_socket(
    error: Exception, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Failing(Socket):
        def __init__(self, family: object) -> None:
            super().__init__()
            assert family is socket.AF_INET
            made.append(self)

        async def connect(self, where: object) -> None:
            raise error

    monkeypatch.setattr("trio.socket.socket", Failing)

    async def main() -> None:
        with pytest.raises(raised):
            await dial(HOST, 1, NODE.node_id, PEER, PROTOCOLS, new_frames())

    trio.run(main)
    assert [one.closed for one in made] == [True]
