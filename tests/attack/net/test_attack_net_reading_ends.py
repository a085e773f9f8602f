"""How connections and the service end: told, in time, with no socket left, whoever resists."""

from __future__ import annotations

import errno
import logging
import random
from contextlib import suppress
from typing import Any

import pytest
import trio

from esper.p2p.faults import Fault, Offence
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.dialler import dial
from esper.p2p.transport.guard import SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Ending, Link, LinkClosed
from esper.p2p.transport.noise_link import prepare
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.talk_messages import BYE_FAULT, BYE_STOPPING, Bye
from tests.support.net.bare_network import BareNetwork, Stranger, bare_network, running
from tests.support.net.memory_link import MemoryNetwork, seeded_run
from tests.support.net.transport_world import PROTOCOLS, open_sockets
from tests.support.sim.sim_endpoint import MemoryEndpoint

PEERS = 40
DEAF = 8
STOP_S = 2.0
prepare()


async def _last_of(stranger: Stranger) -> bytes:
    data = b""
    with suppress(LinkClosed):
        while part := await stranger.link.talk.receive_some(1 << 16):
            data += part
    return data


async def _fill_bulk(node: BareNetwork, number: int) -> None:
    """Send more than a peer's window takes."""
    connection = node.table.all()
    one = next(one for one in connection if one.connection.number == number)
    try:
        await one.connection.send_bulk(bytes(4 << 20))
    except LinkClosed:
        return


@pytest.mark.serial
def test_stopping_tells_forty_peers_and_leaves_no_socket_in_two_seconds() -> None:
    before = open_sockets()

    async def main() -> None:
        node = bare_network(1)
        async with running(node) as nursery:
            strangers = [await Stranger.dial(nursery, node, 10 + at) for at in range(PEERS)]
            settled = await node.peers(PEERS)
            for one in settled[:DEAF]:
                nursery.start_soon(_fill_bulk, node, one.connection.number)
            await trio.sleep(0.2)
            began = trio.current_time()
            node.scope.cancel()
            await node.ended.wait()
            assert trio.current_time() - began < STOP_S
            bye = frame_bytes(Bye(BYE_STOPPING))
            deaf = {one.address.port for one in settled[:DEAF]}
            for stranger in strangers:
                await stranger.drain()
            told = [(await _last_of(one)).endswith(bye) for one in strangers]
            assert sum(told) >= PEERS - len(deaf)
            assert not node.table.all()

    trio.run(main)
    assert open_sockets() == before


@pytest.mark.serial
def test_a_peer_that_takes_nothing_is_rid_of_at_once_when_it_is_to_go() -> None:
    async def main() -> None:
        node = bare_network(2)
        async with running(node) as nursery:
            await Stranger.dial(nursery, node)
            (one,) = await node.peers(1)
            nursery.start_soon(_fill_bulk, node, one.connection.number)
            lane = bytes(1 << 16)
            for _ in range(20):
                one.connection._lanes[next(iter(one.connection._lanes))].put(lane)
            await trio.sleep(0.2)
            began = trio.current_time()
            one.connection.end(Fault(Offence.ORDER, "a test"), BYE_FAULT)
            while node.table.all():
                await trio.sleep(0.01)
            assert trio.current_time() - began < STOP_S

    trio.run(main)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EAFNOSUPPORT])
def test_a_dial_without_a_socket_is_a_dial_that_failed(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor left; or an IPv6 address, which anybody may tell, where there is no IPv6."""

    def refuse(*args: Any) -> Any:
        raise OSError(code, "no socket")

    monkeypatch.setattr(trio.socket, "socket", refuse)

    async def main() -> None:
        identity = Identity.from_seed(b"d" * 32)
        with pytest.raises(LinkClosed) as closed:
            await dial("::1", 1, None, identity, PROTOCOLS, SharedFrameBudget())
        assert closed.value.ending is Ending.UNREACHABLE

    trio.run(main)


class BrokenEndpoint(MemoryEndpoint):
    """Fails in a way that nobody thought of."""

    async def dial(self, ip: str, port: int, expected_id: bytes) -> Link:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("nobody thought of this")


def test_an_unknown_error_of_a_dial_ends_that_dial_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)

    async def main() -> None:
        network = MemoryNetwork(random.Random(1))
        other = bare_network(4, MemoryEndpoint(network, "21.1.1.1", _id(4)))
        settings = NetworkSettings(static=(other.address,))
        node = bare_network(3, BrokenEndpoint(network, "20.1.1.1", _id(3)), settings)
        async with running(node):
            await trio.sleep(5)
            assert node.gate.parts.plan.statistics().dialling == 0
            assert node.table.left[0].why.endswith("an error here")

    seeded_run(main, seed=1)
    assert "nobody thought of this" in caplog.text


def test_an_error_of_a_machine_at_a_peer_s_end_ends_nothing_else() -> None:
    async def main() -> None:
        network = MemoryNetwork(random.Random(1))
        node = bare_network(3, MemoryEndpoint(network, "20.1.1.1", _id(3)))
        other = bare_network(4, MemoryEndpoint(network, "21.1.1.1", _id(4)))

        def fail(name: str, what: Any) -> tuple[object, ...]:
            if name == "left":
                raise RuntimeError("a machine's own error")
            return ()

        node.machine.wants = fail
        async with running(node, other):
            await other.network.connect(node.address)
            (one,) = await node.peers(1)
            one.connection.end(None, None, "a test")
            await node.peers(0)
            assert not node.table.all()
            assert not node.gate.parts.slots.connections
            await trio.sleep(1)
            await other.network.connect(node.address)
            await node.peers(1)

    seeded_run(main, seed=1)


def _id(seed: int) -> bytes:
    return Identity.from_seed(bytes([seed]) * 32).node_id


class CancelAfter(trio.abc.Instrument):
    """Cancels a scope after so many steps of any task."""

    def __init__(self, steps: int, scope: trio.CancelScope) -> None:
        self.left = steps
        self._scope = scope

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self._scope.cancel()


async def _cancelled_after(steps: int, real: bool) -> bool:
    """Whether the life of a connection was over before it was cancelled."""
    network = MemoryNetwork(random.Random(1))
    ends = [
        None if real else MemoryEndpoint(network, f"2{at}.1.1.1", _id(5 + at)) for at in range(2)
    ]
    before = open_sockets()
    node, other = (bare_network(5 + at, ends[at]) for at in range(2))
    async with running(node, other):
        watch = CancelAfter(steps, node.scope)
        trio.lowlevel.add_instrument(watch)
        with suppress(LinkClosed):
            await other.network.connect(node.address)
        with trio.move_on_after(10 if not real else 0.05):
            await node.ended.wait()
        trio.lowlevel.remove_instrument(watch)
        over = watch.left > 0
        node.scope.cancel()
        await node.ended.wait()
        assert not node.table.all()
        assert not node.gate.parts.slots.connections
        joined = [name for name, _ in node.machine.heard if name in ("joined", "left")]
        assert joined in ([], ["joined", "left"])
        while other.table.all():
            await trio.sleep(0.05)
        if not real:
            assert not network.links
    if real:
        await trio.lowlevel.checkpoint()
        assert open_sockets() == before
    return over


def test_a_connection_may_be_cancelled_at_every_step() -> None:
    steps = 1
    while not seeded_run(_cancelled_after, steps, False, seed=steps):
        steps += 1
    assert steps > 40


@pytest.mark.serial
def test_a_connection_of_sockets_leaves_none_wherever_it_is_cancelled() -> None:
    for steps in range(1, 160, 5):
        trio.run(_cancelled_after, steps, True)
