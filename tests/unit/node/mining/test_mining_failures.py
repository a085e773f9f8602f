"""Mining goes on though provers, searchers or templates fail."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.consensus.template import BlockPlan
from esper.node.entries.entry_workers import AFTER_FAILURE_S
from esper.node.mining import mining_service
from esper.node.mining.block_assembly import Assembled, assemble
from esper.node.mining.mining_news import TELL_EVERY_S
from esper.node.mining.mining_service import REFRESH_S
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import WorkerError
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.errors.audit_errors import AuditProofViolation, RehearsalViolation
from esper.primitives.errors.header_errors import ModelViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import ModelId
from tests.support.node.mining_world import mining, searched
from tests.support.node.node_world import PARAMS, go, jump, node_world, pay, rest, until
from tests.support.vm_world import BOB, CAROL


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
        def __init__(self) -> None:
            self.slot = WorkerSlot()

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
            [entry] = world.service.room.loaded.values()
            entry.workers = replace(entry.workers, searcher=Unfit())
            await world.mining.run()

    with pytest.raises(BaseExceptionGroup) as group:
        go(main)
    assert group.value.subgroup(WorkerError) is not None


def test_a_template_that_is_refused_even_when_empty_ends_the_node(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be tried for ever otherwise, as fast as the machine goes."""

    async def main() -> None:
        async with mining(datadir) as world:
            refusal = ModelViolation(ModelId(bytes(64)), PARAMS.model.model_id)

            def refuse(*_: Any, **__: Any) -> Any:
                raise refusal

            monkeypatch.setattr(world.service.templates, "template", refuse)
            await world.others_turn()
            await until(lambda: False)

    with pytest.raises(BaseExceptionGroup) as group:
        go(main)
    assert group.value.subgroup(ModelViolation) is not None


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


@pytest.mark.parametrize(
    ("violation", "forgets"),
    [
        (AuditProofViolation("it does not fit"), True),
        (RehearsalViolation("another seed"), True),
        (ModelViolation(ModelId(bytes(64)), PARAMS.model.model_id), False),
    ],
)
def test_a_block_that_is_refused_for_its_rehearsal_makes_the_miner_forget_what_waits(
    datadir: Path, violation: RuleViolation, forgets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second block would be refused for it otherwise, as long as it waits."""

    async def main() -> None:
        async with mining(datadir) as world:
            told: list[bool] = []
            proofs = SimpleNamespace(take=lambda *_: [], refused=lambda: told.append(True))
            monkeypatch.setattr(world.service, "_proofs", proofs)
            lost: list[Any] = []
            handed = SimpleNamespace(take=lambda *_: [], refused=lost.append)
            monkeypatch.setattr(world.service, "_handed", handed)

            async def refuse(_: Any) -> Any:
                raise violation

            await rest()
            count = len(world.searcher.jobs)
            with monkeypatch.context() as patched:
                patched.setattr(world.service._chain, "submit", refuse)
                await world.searcher.find()
                await until(lambda: len(world.searcher.jobs) > count)
            assert told == [True] * forgets
            # Of what others have proven those in the block alone, which had none.
            assert lost == [()] * forgets

    go(main)


def test_what_waits_and_breaks_a_template_does_not_stop_mining(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with mining(datadir) as world:

            def broken(*arguments: Any, **named: Any) -> Assembled:
                assembled = assemble(*arguments, **named)
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
