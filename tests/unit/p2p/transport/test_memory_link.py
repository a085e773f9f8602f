"""Links in memory keep what the port promises, and equal seeds give equal runs."""

from __future__ import annotations

import random

import pytest
import trio

from esper.p2p.transport.link import Ending, Link, LinkClosed
from tests.support.net.memory_link import MemoryNetwork, seeded_run

ONE, OTHER = b"\x01" * 38, b"\x02" * 38
HERE, THERE = "1.0.0.1", ("2.0.0.1", 9333)


async def _pair(network: MemoryNetwork) -> tuple[Link, Link]:
    accepted: list[Link] = []
    network.listen(THERE, OTHER, accepted.append)
    dialled = await network.dial(HERE, THERE, ONE, OTHER)
    return dialled, accepted[0]


def test_bytes_arrive_in_order_after_the_latency() -> None:
    async def main() -> None:
        network = MemoryNetwork(random.Random(1), latency_s=(0.5, 0.5))
        ours, theirs = await _pair(network)
        assert ours.remote_id == OTHER
        assert theirs.remote_id == ONE
        assert (ours.outbound, theirs.outbound) == (True, False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(theirs.run)
            began = trio.current_time()
            await ours.talk.send_all(b"first")
            await ours.talk.send_all(b"second")
            assert await theirs.talk.receive_some(5) == b"first"
            assert await theirs.talk.receive_some(99) == b"second"
            assert trio.current_time() - began == pytest.approx(0.5)
            ours.close()
            with pytest.raises(LinkClosed) as raised:
                await theirs.talk.receive_some(1)
            assert raised.value.ending is Ending.PEERS
            assert trio.current_time() - began == pytest.approx(1.0)

    seeded_run(main, seed=1)


def test_a_reader_that_does_not_read_holds_the_sender_until_its_deadline() -> None:
    async def main() -> None:
        ours, theirs = await _pair(MemoryNetwork(random.Random(1)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(theirs.run)
            began = trio.current_time()
            with pytest.raises(LinkClosed) as raised:
                await ours.bulk.send_all(bytes(1 << 20))
            assert raised.value.ending is Ending.DEADLINE
            assert raised.value.fault is not None
            assert trio.current_time() - began == pytest.approx(36.0)
            assert ours.closed is not None

    seeded_run(main, seed=1)


def test_a_partition_holds_links_and_refuses_dials_until_it_heals() -> None:
    async def main() -> None:
        network = MemoryNetwork(random.Random(1))
        ours, theirs = await _pair(network)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(theirs.run)
            network.partition([[HERE], [THERE[0]]])
            await ours.talk.send_all(b"held")
            with trio.move_on_after(100) as scope:
                await theirs.talk.receive_some(9)
            assert scope.cancelled_caught
            with pytest.raises(LinkClosed) as raised:
                await network.dial(HERE, THERE, ONE)
            assert raised.value.ending is Ending.DEADLINE
            network.heal()
            assert await theirs.talk.receive_some(9) == b"held"
            nursery.cancel_scope.cancel()
        assert theirs.closed is not None

    seeded_run(main, seed=1)


def test_dials_that_come_to_nothing() -> None:
    async def main() -> None:
        network = MemoryNetwork(random.Random(1))
        with pytest.raises(LinkClosed) as raised:
            await network.dial(HERE, THERE, ONE)
        assert raised.value.ending is Ending.UNREACHABLE
        network.listen(THERE, OTHER, lambda link: None)
        with pytest.raises(LinkClosed) as raised:
            await network.dial(HERE, THERE, ONE, ONE)
        assert raised.value.ending is Ending.WRONG_ID

    seeded_run(main, seed=1)


def test_links_are_lost_after_their_time_and_when_they_are_cut() -> None:
    async def main() -> None:
        network = MemoryNetwork(random.Random(1), mean_life_s=60)
        ours, theirs = await _pair(network)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.run)
            with pytest.raises(LinkClosed):
                await ours.talk.receive_some(1)
            assert theirs.closed is not None
        lasting = MemoryNetwork(random.Random(1))
        ours, theirs = await _pair(lasting)
        lasting.cut(THERE[0], HERE)
        assert ours.closed is not None
        assert theirs.closed is not None
        assert lasting.links == []

    seeded_run(main, seed=1)


def test_equal_seeds_give_equal_runs() -> None:
    def trace(seed: int) -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []

        async def main() -> None:
            network = MemoryNetwork(random.Random(seed), bytes_per_s=1e5)
            ours, theirs = await _pair(network)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(theirs.run)

                async def send(number: int) -> None:
                    await ours.talk.send_all(bytes([number]) * 1000)

                for number in range(20):
                    nursery.start_soon(send, number)
                for _ in range(20):
                    got = await theirs.talk.receive_some(1000)
                    seen.append((trio.current_time(), got[0]))
                nursery.cancel_scope.cancel()

        seeded_run(main, seed=seed)
        return seen

    assert trace(7) == trace(7)
    assert trace(7) != trace(8)
