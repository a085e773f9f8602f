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
from esper.consensus.block_isolation import BlockContent
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.events import TipMoved
from esper.primitives.errors.rule_violation import RuleViolation
from esper.storage.errors import StorageError
from tests.support.fake_work import FakeVerifier
from tests.support.node.node_world import PARAMS, go, jump, mined_block, node_world
from tests.support.vm_world import CAROL, address

FAR = 1 << 60
START = PARAMS.genesis_time_ms + 10_000


class Follower:
    """Writes down what it is told, where, and the tip that the loop saw then."""

    def __init__(self, chain: ChainService) -> None:
        self.told: list[tuple[int, int, bytes]] = []
        self.prepared_on: list[threading.Thread] = []
        self._chain = chain

    def prepare(self, change: ChainChange) -> Commit:
        before, tip = self._chain.tip, change.view.context.tip_id
        assert before != tip
        self.prepared_on.append(threading.current_thread())
        ids = {*change.arrival.undone, *change.arrival.applied}
        assert {change.content(one).header.block_id for one in ids} == ids

        def commit() -> None:
            assert threading.current_thread() is threading.main_thread()
            assert self._chain.tip == tip
            self.told.append((len(change.arrival.undone), len(change.arrival.applied), tip))

        return commit


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
        self.chain = ChainService(manager, clock, clock)
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


def held(owner: object, method: str) -> tuple[threading.Event, threading.Event]:
    """Let a method wait at its end, in its thread: begun, and may end."""
    before, begun, may_end = getattr(owner, method), threading.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> Any:
        done = before(*arguments, **named)
        begun.set()
        assert may_end.wait(20)
        return done

    setattr(owner, method, slow)
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


def test_followers_prepare_off_the_loop_and_the_loop_is_told_last(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            moved: list[TipMoved] = []

            def told(event: TipMoved) -> None:
                assert len(found.follower.told) == len(moved) + 1
                moved.append(event)

            found.chain.tell(told)
            await found.submit(*LEFT, *RIGHT)
            assert threading.main_thread() not in found.follower.prepared_on
            ids = [block.header.block_id for block in (*LEFT, *RIGHT)]
            assert moved == [
                TipMoved(ids[0], 1, (), (ids[0],)),
                TipMoved(ids[1], 2, (), (ids[1],)),
                TipMoved(ids[4], 3, (ids[1], ids[0]), tuple(ids[2:])),
            ]

    go(main)


def test_nobody_sees_half_a_change_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            await found.submit(*LEFT, *RIGHT[:2])
            before = found.chain.view
            begun, may_end = held(found.manager._mover, "apply")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(found.submit, RIGHT[2])
                await begun_in_thread(begun)
                # The first block of the other branch is applied: two are gone, two still to come.
                assert found.manager.context.tip_id == RIGHT[0].header.block_id
                assert found.chain.view is before
                # Readers go on with the chain that they know, down to its state and its blocks.
                assert before.store.block(2).block_id == LEFT[1].header.block_id
                assert before.state.root_after(()) == LEFT[1].header.pre.state_root
                assert await found.chain.in_thread(lambda view: view.store.tip.height) == 2
                assert found.follower.told[2:] == []
                may_end.set()
            assert found.chain.view.store.block(2).block_id == RIGHT[1].header.block_id
            # Whoever holds a view keeps it.
            assert before.store.block(2).block_id == LEFT[1].header.block_id
            assert before.context_of(LEFT[0].header.block_id) is not None

    go(main)


def test_what_must_not_meet_a_change_waits_for_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            begun, may_end = held(found.manager, "adopt")
            seen: list[bytes] = []

            async def admit() -> None:
                async with found.chain.standing_still() as view:
                    seen.append(view.context.tip_id)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(found.submit, LEFT[0])
                await begun_in_thread(begun)
                nursery.start_soon(admit)
                await trio.testing.wait_all_tasks_blocked(0.02)
                assert seen == []
                may_end.set()
            assert seen == [LEFT[0].header.block_id]

    go(main)


def test_a_reader_in_a_thread_does_not_hold_the_chain_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            begun, may_end = threading.Event(), threading.Event()

            def read(view: ChainView) -> tuple[int, int]:
                first = view.store.tip.height
                begun.set()
                assert may_end.wait(20)
                return first, view.store.tip.height

            results: list[tuple[int, int]] = []

            async def reader() -> None:
                results.append(await found.chain.in_thread(read))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(reader)
                await begun_in_thread(begun)
                await found.submit(LEFT[0])
                assert len(found.follower.told) == 1
                may_end.set()
            assert results == [(0, 0)]

    go(main)


def test_blocks_are_judged_beside_each_other_and_beside_a_change(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            inside, begun = [0], threading.Semaphore(0)
            may_end = threading.Event()
            judge = found.manager.block_judge._check_work

            def slow(*given: Any, **named: Any) -> None:
                inside[0] += 1
                begun.release()
                assert may_end.wait(20)
                judge(*given, **named)

            found.manager.block_judge._check_work = slow  # type: ignore[method-assign]
            other = branch(1, 7)[0]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(found.submit, LEFT[0])
                nursery.start_soon(found.submit, other)
                for _ in range(2):
                    assert await trio.to_thread.run_sync(begun.acquire, True, 20)
                async with found.chain.standing_still() as view:
                    assert view.context.height == 0
                may_end.set()
            assert inside == [2]
            assert found.manager.knows(other.header.block_id)
            assert found.manager.knows(LEFT[0].header.block_id)

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
            apply = found.manager._mover.apply
            done: list[bytes] = []

            def once(data: BlockBytes, block: Block, content: BlockContent) -> None:
                if done:
                    raise StorageError("no room on the disk")
                apply(data, block, content)
                done.append(data.header)

            found.manager._mover.apply = once  # type: ignore[method-assign]
            with pytest.raises(StorageError):
                await found.submit(RIGHT[2])
            assert found.follower.told[2:] == [(2, 1, RIGHT[0].header.block_id)]
            # With room again the very same block takes the chain the rest of the way.
            found.manager._mover.apply = apply  # type: ignore[method-assign]
            await found.submit(RIGHT[2])
            assert found.follower.told[3:] == [(0, 2, RIGHT[2].header.block_id)]

    go(main)


def test_a_step_that_has_begun_is_finished_and_told_though_cancelled(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            begun, may_end = held(found.manager, "adopt")
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
