"""The chain on the event loop: whole steps, told once, whatever else goes on."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.node.chain.chain_manager import Arrival, ChainManager
from esper.node.chain.chain_service import ChainService
from esper.primitives.errors.rule_violation import RuleViolation
from esper.storage.errors import StorageError
from tests.support.fake_work import FakeVerifier
from tests.support.node_world import PARAMS, go, jump, mined_block, node_world
from tests.support.vm_world import CAROL, address

FAR = 1 << 60
START = PARAMS.genesis_time_ms + 10_000


class Follower:
    """Writes down what it is told, and the tip that it saw then."""

    def __init__(self, chain: ChainService) -> None:
        self.told: list[tuple[int, int, bytes]] = []
        self._chain = chain

    def chain_changed(self, manager: ChainManager, arrival: Arrival) -> None:
        assert manager.context.tip_id == self._chain.tip
        self.told.append((len(arrival.undone), len(arrival.applied), manager.context.tip_id))


def branch(length: int, step_ms: int) -> list[Block]:
    """Blocks from the genesis on; ``step_ms`` tells branches apart."""
    chain, blocks = ProvenChain.genesis(PARAMS), []
    for number in range(length):
        now_ms = START + 10_000 * number + step_ms
        blocks.append(mined_block(PARAMS, chain.context, chain.state, address(CAROL), now_ms))
        chain = extend(chain, blocks[-1], FakeVerifier(PARAMS.model), now_ms=FAR)
    return blocks


LEFT, RIGHT = branch(2, 1), branch(3, 2)


class Bench:
    """A service, whoever follows it, and a way to submit."""

    def __init__(self, manager: ChainManager, clock: Callable[[], int]) -> None:
        self.manager = manager
        self.chain = ChainService(manager, clock)
        self.follower = Follower(self.chain)
        self.chain.follow(self.follower)

    async def submit(self, *blocks: Block) -> None:
        for block in blocks:
            # Rivals that come far apart draw no lots.
            jump(60)
            await self.chain.submit(BlockBytes.of(block))


@asynccontextmanager
async def bench(datadir: Path) -> AsyncIterator[Bench]:
    async with node_world(datadir, mines=False) as world:
        yield Bench(world.node.manager, world.clock)


def held(manager: ChainManager, method: str) -> tuple[threading.Event, threading.Event]:
    """Let a method of the manager wait at its end, in its thread: begun, and may end."""
    before, begun, may_end = getattr(manager, method), threading.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> Any:
        done = before(*arguments, **named)
        begun.set()
        assert may_end.wait(20)
        return done

    setattr(manager, method, slow)
    return begun, may_end


async def begun_in_thread(event: threading.Event) -> None:
    assert await trio.to_thread.run_sync(event.wait, 20)


def test_followers_are_told_once_at_the_new_tip(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            change = found.chain.next_change
            await found.submit(LEFT[0])
            assert change.is_set()
            change = found.chain.next_change
            # Known already: nothing changes.
            await found.submit(LEFT[0])
            assert not change.is_set()
            await found.submit(LEFT[1])
            assert found.follower.told == [(0, 1, block.header.block_id) for block in LEFT]

    go(main)


def test_a_change_of_chain_is_one_step(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            await found.submit(*LEFT, *RIGHT)
            told = found.follower.told
            assert told[2:] == [(2, 3, RIGHT[2].header.block_id)]
            assert found.chain.tip == RIGHT[2].header.block_id

    go(main)


def test_nobody_sees_half_a_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            await found.submit(*LEFT, *RIGHT[:2])
            before = found.chain.tip
            begun, may_end = held(found.manager, "_apply")
            seen: list[bytes] = []

            async def read() -> None:
                async with found.chain.reading() as manager:
                    seen.append(manager.context.tip_id)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(found.submit, RIGHT[2])
                await begun_in_thread(begun)
                # The first block of the other branch is applied: two are gone, two still to come.
                assert found.manager.context.tip_id == RIGHT[0].header.block_id
                assert found.chain.tip == before
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked(0.02)
                assert seen == []
                may_end.set()
            assert seen == [RIGHT[2].header.block_id]

    go(main)


def test_a_reader_in_a_thread_keeps_the_chain_still(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            begun, may_end = threading.Event(), threading.Event()

            def read(manager: ChainManager) -> tuple[int, int]:
                first = manager.context.height
                begun.set()
                assert may_end.wait(20)
                return first, manager.context.height

            results: list[tuple[int, int]] = []

            async def reader() -> None:
                results.append(await found.chain.in_thread(read))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(reader)
                await begun_in_thread(begun)
                nursery.start_soon(found.submit, LEFT[0])
                await trio.testing.wait_all_tasks_blocked(0.02)
                assert found.follower.told == []
                may_end.set()
            assert results == [(0, 0)]
            assert len(found.follower.told) == 1

    go(main)


def test_a_refused_block_changes_nothing_and_the_next_one_comes_in(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            pre = LEFT[0].header.pre
            header = replace(LEFT[0].header, pre=replace(pre, state_root=bytes(32)))
            with pytest.raises(RuleViolation):
                await found.submit(replace(LEFT[0], header=header))
            assert found.follower.told == []
            await found.submit(LEFT[0])
            assert len(found.follower.told) == 1

    go(main)


def test_a_change_that_fails_half_way_is_told_as_far_as_it_went(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            await found.submit(*LEFT, *RIGHT[:2])
            apply = found.manager._apply
            done: list[Any] = []

            def once(new: Any) -> None:
                if done:
                    raise StorageError("no room on the disk")
                done.append(apply(new))

            found.manager._apply = once  # type: ignore[method-assign]
            with pytest.raises(StorageError):
                await found.submit(RIGHT[2])
            assert found.follower.told[2:] == [(2, 1, RIGHT[0].header.block_id)]
            # With room again the very same block takes the chain the rest of the way.
            found.manager._apply = apply  # type: ignore[method-assign]
            await found.submit(RIGHT[2])
            assert found.follower.told[3:] == [(0, 2, RIGHT[2].header.block_id)]

    go(main)


def test_a_step_that_has_begun_is_finished_and_told_though_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            begun, may_end = held(found.manager, "submit")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(found.submit, LEFT[0])
                await begun_in_thread(begun)
                nursery.cancel_scope.cancel()
                may_end.set()
            assert found.follower.told == [(0, 1, LEFT[0].header.block_id)]

    go(main)


def test_a_cancelled_one_that_has_not_begun_is_none(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            before = found.chain.tip
            with trio.CancelScope() as scope:
                scope.cancel()
                await found.submit(LEFT[0])
            assert found.follower.told == []
            assert found.chain.tip == found.manager.context.tip_id == before

    go(main)
