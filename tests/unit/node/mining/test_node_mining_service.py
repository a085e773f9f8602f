"""Mining on the event loop: which template is searched when, and what becomes of tickets."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from esper.consensus.template import BlockPlan
from esper.node.chain.recent_usefulness import usefulness_per_mille
from esper.node.chain.stored_blocks import stored_block
from esper.node.events import MiningTold, Missed
from esper.node.mining import mining_service
from esper.node.mining.block_assembly import Assembled, assemble
from esper.node.mining.mining_news import TELL_EVERY_S
from esper.node.mining.mining_service import AFTER_FAILURE_S, REFRESH_S, MinedNews, MinedStale
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import WorkerError
from tests.support.heard_events import heard
from tests.support.node_world import (
    NodeWorld,
    copied,
    go,
    grown_datadir,
    jump,
    node_world,
    pay,
    rest,
    running,
    until,
)
from tests.support.vm_world import BOB, CAROL, MINER, address


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


@asynccontextmanager
async def mining(datadir: Path, **plan: Any) -> AsyncIterator[NodeWorld]:
    async with node_world(datadir, **plan) as world, running(world):
        yield world


def searched(world: NodeWorld) -> bytes:
    """The parent of what is searched now."""
    return world.searcher.job.pre.parent


def payee_at(world: NodeWorld, height: int) -> bytes:
    return stored_block(world.node.manager.view(), height).header.pre.payee


def test_a_new_tip_is_followed_at_once(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            for _ in range(3):
                count = len(world.searcher.jobs)
                await world.others_turn()
                await rest()
                assert len(world.searcher.jobs) == count + 1
                assert searched(world) == world.node.chain.tip

    go(main)


def test_content_is_followed_at_most_once_in_a_while(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            count = len(world.searcher.jobs)
            empty = world.searcher.job.pre.tx_root
            await world.send(BOB, pay(CAROL))
            await world.send(BOB, pay(CAROL))
            await rest()
            jump(REFRESH_S - 0.01)
            await rest()
            assert len(world.searcher.jobs) == count
            jump(0.02)
            await rest()
            assert len(world.searcher.jobs) == count + 1
            assert world.searcher.job.pre.tx_root != empty
            # And the next news, again after a while.
            await world.send(BOB, pay(CAROL))
            await rest()
            assert len(world.searcher.jobs) == count + 1
            jump(REFRESH_S + 0.01)
            await rest()
            assert len(world.searcher.jobs) == count + 2

    go(main)


def test_a_ticket_is_proven_and_joins_and_the_search_goes_on(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            height, count = world.height, len(world.searcher.jobs)
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            assert world.service.doing == "proving a block"
            # Another template of this parent would be worth nothing.
            jump(REFRESH_S + 0.01)
            await world.send(BOB, pay(CAROL))
            jump(REFRESH_S + 0.01)
            await rest()
            assert len(world.searcher.jobs) == count
            world.prover.release("prove_work")
            await until(lambda: world.height == height + 1)
            await rest()
            assert searched(world) == world.node.chain.tip
            assert world.service.doing == f"searching for block {height + 2}"
            rates = world.service.statistics.rates()
            assert (rates.found, rates.stale) == (1, 0)
            assert payee_at(world, height + 1) == address(MINER)

    go(main)


def test_two_tickets_of_one_parent_are_proven_once(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            first = world.searcher.job
            await world.send(BOB, pay(CAROL))
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert world.searcher.job.number == first.number + 1
            world.prover.hold("prove_work")
            await world.searcher.find(first)
            await world.searcher.find()
            await rest()
            assert world.prover.asked.count("prove_work") == 1
            world.prover.release("prove_work")
            await rest()
            assert world.prover.asked.count("prove_work") == 1

    go(main)


def test_somebody_else_s_block_during_a_proof(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            height = world.height
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            other = await world.others_turn()
            await rest()
            # Rivals that come far apart draw no lots: the first one stays.
            jump(60)
            # The search goes on at the new tip while the proof is made.
            assert searched(world) == other.header.block_id == world.node.chain.tip
            assert world.service.doing == f"searching for block {height + 2}"
            seen = set(world.node.manager.known.headers)
            with world.node.events.subscribe(MinedStale) as stale:
                world.prover.release("prove_work")
                await rest()
                [ours] = set(world.node.manager.known.headers) - seen
                assert await heard(stale) == [MinedStale(height + 1, ours)]
            assert world.node.chain.tip == other.header.block_id != ours
            rates = world.service.statistics.rates()
            assert (rates.found, rates.stale) == (0, 1)

    go(main)


def test_a_ticket_of_an_old_tip_is_not_proven(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            old = world.searcher.job
            await world.others_turn()
            await rest()
            await world.searcher.find(old)
            await rest()
            assert "prove_work" not in world.prover.asked
            assert world.service.statistics.rates().stale == 1

    go(main)


def test_a_prover_that_dies_loses_its_ticket_alone(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            height, first = world.height, world.searcher.job
            world.prover.fails.append("prove_work")
            await world.searcher.find()
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert world.height == height
            assert world.searcher.job.number > first.number
            assert searched(world) == world.node.chain.tip
            await world.mine()
            assert world.height == height + 1

    go(main)


def test_a_searcher_that_dies_is_started_again(
    datadir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            world.searcher.die()
            await rest()
            assert world.searcher.starts == 1
            count = len(world.searcher.jobs)
            jump(AFTER_FAILURE_S + 0.01)
            await rest()
            assert world.searcher.starts == 2
            # The new process knows of no job: it is told one.
            jump(REFRESH_S + 0.01)
            await rest()
            assert len(world.searcher.jobs) == count + 1
            await world.mine()

    with caplog.at_level(logging.ERROR):
        go(main)
    assert "search stopped: search worker ended with status -9" in caplog.text


def test_a_searcher_that_cannot_begin_ends_the_node(datadir: Path) -> None:
    class Unfit:
        async def run(
            self,
            events: trio.MemorySendChannel[Found | Progress],
            task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
        ) -> None:
            async with trio.open_nursery():
                raise WorkerError("no such model")

        def search(self, job: Any) -> None:
            pass

        def use_threads(self, threads: int) -> None:
            pass

    async def main() -> None:
        async with node_world(datadir) as world:
            world.service._searcher = Unfit()
            await world.mining.run()

    with pytest.raises(BaseExceptionGroup) as group:
        go(main)
    assert group.value.subgroup(WorkerError) is not None


def test_pause_and_resume(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            world.service.pause()
            assert world.searcher.jobs[-1] is None
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert world.service.doing == "paused"
            assert not world.service.searching
            await world.others_turn()
            await world.send(BOB, pay(CAROL))
            await rest()
            assert world.searcher.jobs[-1] is None
            world.service.resume()
            await rest()
            assert searched(world) == world.node.chain.tip
            await world.mine()

    go(main)


def test_a_proof_that_runs_is_finished_though_paused(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            height = world.height
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            world.service.pause()
            world.prover.release("prove_work")
            await until(lambda: world.height == height + 1)
            await rest()
            assert world.searcher.jobs[-1] is None

    go(main)


def test_wanted_blocks_and_no_more(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=2) as world:
            height = world.height
            await world.mine(2)
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            assert world.service.doing == "waiting for blocks to be asked for"
            count = len(world.searcher.jobs)
            await world.others_turn()
            await rest()
            assert world.height == height + 3
            assert len(world.searcher.jobs) == count
            assert world.stops == []
            world.service.want(1)
            await rest()
            assert len(world.searcher.jobs) == count + 1

    go(main)


def test_the_last_wanted_block_stops_a_node_that_is_to_end(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=2, ends=True) as world:
            await world.mine()
            await rest()
            assert world.stops == []
            await world.mine()
            await rest()
            assert world.stops == [True]

    go(main)


def test_blocks_and_what_the_miner_does_are_told(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            height = world.height
            with world.node.events.subscribe(MinedNews, MiningTold) as told:
                async with running(world):
                    assert await heard(told) == [
                        MiningTold(f"searching for block {height + 1}", True, False)
                    ]
                    await world.send_calls(50, 51)
                    await rest()
                    jump(REFRESH_S + 0.01)
                    await rest()
                    await world.mine()
                    await rest()
                    said = await heard(told)
                    [news] = [one for one in said if isinstance(one, MinedNews)]
                    assert (news.height, news.block_id) == (height + 1, world.node.chain.tip)
                    assert news.calls_answered == 2
                    assert [one.doing for one in said if isinstance(one, MiningTold)] == [
                        "proving a block",
                        f"searching for block {height + 2}",
                    ]
                    world.service.pause()
                    await rest()
                    assert await heard(told) == [MiningTold("paused", False, True)]

    go(main)


def test_blocks_of_others_are_not_told_as_mined(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            with world.node.events.subscribe(MinedNews) as told:
                await world.others_turn()
                await rest()
                assert await heard(told) == []

    go(main)


def test_the_last_wanted_block_counts_though_it_was_missed(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=3, ends=True) as world:

            async def told(*counts: int) -> AsyncIterator[Missed]:
                for count in counts:
                    yield Missed(count)

            await world.mining._follow_mined(told(2))
            assert world.stops == []
            await world.mining._follow_mined(told(1, 2))
            assert world.stops == [True]

    go(main)


def test_blocks_on_demand(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=0) as world:
            height, mined = world.height, []

            async def generate(count: int, payee: bytes | None) -> None:
                mined.extend(await world.mining.control.generate(count, payee))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(generate, 2, address(BOB))
                await world.mine(2)
            assert mined == [
                world.node.manager.store.index.entry(height + n).block_id for n in (1, 2)
            ]
            assert [payee_at(world, height + n) for n in (1, 2)] == [address(BOB)] * 2
            assert not world.service.searching
            async with trio.open_nursery() as nursery:
                nursery.start_soon(generate, 1, None)
                await world.mine()
            assert payee_at(world, height + 3) == address(MINER)

    go(main)


def test_a_request_that_is_given_up_leaves_nothing_behind(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=0) as world:
            height = world.height
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(world.mining.control.generate, 5, None)
                    await rest()
                    job = world.searcher.job
                    scope.cancel()
            await rest()
            assert world.service.doing == "waiting for blocks to be asked for"
            # Its ticket comes too late: nobody asks for a block any more.
            await world.searcher.find(job)
            await rest()
            assert world.height == height
            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.mining.control.generate, 1, None)
                await world.mine()
            assert payee_at(world, height + 1) == address(MINER)

    go(main)


def test_more_blocks_than_wanted_are_no_debt(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir, wanted=1) as world:
            height = world.height
            # A proof is under way, somebody else's block comes, and so does a second ticket.
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            await world.others_turn()
            await rest()
            await world.searcher.find()
            await rest()
            world.service.stop_wanting()
            world.prover.release("prove_work")
            await until(lambda: world.height == height + 2)
            await rest()
            world.service.want(1)
            await rest()
            assert world.service.searching
            await world.mine()

    go(main)


def test_a_template_for_the_old_payee_is_not_searched(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            old = world.searcher.job
            world.service.pay(address(BOB))
            await rest()
            assert world.searcher.job.pre.payee == address(BOB)
            await world.searcher.find(old)
            await rest()
            assert "prove_work" not in world.prover.asked
            await world.mine()
            assert payee_at(world, world.height) == address(BOB)

    go(main)


def test_calls_come_into_the_block_and_are_counted(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            await world.send_calls(50, 51)
            await rest()
            jump(REFRESH_S + 0.01)
            await rest()
            await world.mine()
            assert world.mining.control.standing().rates.calls_answered == 2
            assert usefulness_per_mille(world.node.chain.view) > 0
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_a_refused_block_of_ours_is_mined_again_empty(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            await world.send_calls(50, 51)
            await rest()
            # As a machine that is broken: the group's proof is not the prover's.
            [group] = world.mining.desk.ready.groups
            forged = replace(group.group, proof=group.group.proof[:-1] + b"?")
            world.mining.desk.ready.groups[:] = [replace(group, group=forged)]
            await world.send(BOB, pay(CAROL))
            jump(REFRESH_S + 0.01)
            await rest()
            height, count = world.height, len(world.searcher.jobs)
            await world.searcher.find()
            await until(lambda: len(world.searcher.jobs) > count)
            assert world.height == height
            await world.searcher.find()
            await until(lambda: world.height == height + 1)
            # Nothing is lost by it: the next parent is tried with everything again.
            assert len(world.node.mempool.pool) == 3
            await rest()
            count = len(world.searcher.jobs)
            await world.searcher.find()
            await until(lambda: len(world.searcher.jobs) > count)
            assert world.height == height + 1

    go(main)


def test_what_waits_and_breaks_a_template_does_not_stop_mining(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with mining(datadir) as world:

            def broken(*arguments: Any) -> Assembled:
                assembled = assemble(*arguments)
                twice = (*assembled.plan.transactions, *assembled.plan.transactions)
                return Assembled(BlockPlan(twice))

            monkeypatch.setattr(mining_service, "assemble", broken)
            await world.send(BOB, pay(CAROL))
            jump(REFRESH_S + 0.01)
            await rest()
            await world.mine()
            assert len(world.node.mempool.pool) == 1
            monkeypatch.setattr(mining_service, "assemble", assemble)
            # The template of the next block may have been broken already.
            await world.mine(2)
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_a_template_executes_nothing_that_its_draft_has_executed(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(*_: object) -> None:
        raise AssertionError("executed for the template")

    async def main() -> None:
        async with mining(datadir) as world:
            monkeypatch.setattr("esper.consensus.template.execute_block", again)
            await world.send(BOB, pay(CAROL))
            jump(REFRESH_S + 0.01)
            await rest()
            await world.mine(2)
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_what_is_said_of_mining(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            await world.mine(2)
            await rest()
            view = world.mining.control.standing()
            assert (view.running, view.paused) == (True, False)
            assert (view.threads, view.prove_threads) == (2, 3)
            assert (view.rates.found, view.rates.stale) == (2, 0)
            # Each ticket was the first attempt or soon after it, and took a millisecond.
            assert view.rates.attempts_per_second >= 1000.0
            assert view.expected_block_ms == int(1000 / view.rates.attempts_per_second)
            await world.mining.control.use_threads(3, None)
            await world.mining.control.use_threads(None, 4)
            view = world.mining.control.standing()
            assert (view.threads, view.prove_threads) == (3, 4)
            assert world.searcher.threads == [3]
            assert world.prover.threads == world.answerer.threads == [4]

    go(main)


def test_the_provers_are_closed_in_the_end(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            provers = (world.prover, world.answerer)
        assert [prover.asked[-1] for prover in provers] == ["close", "close"]

    go(main)


def test_a_search_that_never_finishes_an_attempt_is_told(
    datadir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with mining(datadir) as world:
            for _ in range(2):
                jump(TELL_EVERY_S + 0.01)
                await rest()
            assert "no attempt was finished in 30 s, with 2 threads on" in caplog.text
            caplog.clear()
            # One that makes some, and one that is paused, are not.
            await world.mine()
            jump(TELL_EVERY_S + 0.01)
            await rest()
            world.service.pause()
            await rest()
            for _ in range(3):
                jump(TELL_EVERY_S + 0.01)
                await rest()
            assert "no attempt" not in caplog.text

    go(main)
