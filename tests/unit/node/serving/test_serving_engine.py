"""The engine with its processes: answers as they are alone, however others come, go and die."""

import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import trio
import trio.testing

from esper.gateway.engine_port import EngineError, Job, Made
from esper.model import load_model
from esper.model.loaded import LoadedModel
from esper.node.serving.engine import ServingEngine
from esper.node.serving.job_check import JobError
from esper.node.serving.served_model import ServedModel
from esper.primitives.ids import ModelId
from esper.primitives.networks import REGTEST
from tests.support.node.serving_world import (
    FAULTY,
    GENESIS,
    LONG_S,
    SETTINGS,
    all_of,
    only,
    serving,
)

pytestmark = pytest.mark.serial

PROMPT = (1, 50, 51, 52)
JOB = Job(REGTEST.model.model_id, PROMPT, 200)


@cache
def genesis_model() -> LoadedModel:
    """As a reader of the chain has it."""
    return load_model(GENESIS.folder)


def alone(job: Job) -> list[Made]:
    """An answer of the engine without others, without its floats."""
    top_k = max(job.top, 1)
    ((tokens, tops),) = genesis_model().native.generate([job.prompt], job.max_tokens, top_k, 1)
    pairs = zip(tokens, tops, strict=True)
    return [Made(token, top[0][1], tuple(top) if job.top else ()) for token, top in pairs]


def exact(made: list[Made]) -> list[Made]:
    """Without what is no integer."""
    return [one._replace(logsumexp=0.0) for one in made]


def workers() -> set[int]:
    """Processes that this one has started and not ended."""
    found = set[int]()
    for tasks in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (tasks / "children").read_text().split()}
    return found


async def asked(engine: ServingEngine, job: Job) -> list[Made]:
    async with engine.answer(job) as tokens:
        return await all_of(tokens)


def go(main: Callable[[], object]) -> None:
    async def bounded() -> None:
        with trio.fail_after(LONG_S):
            await main()  # type: ignore[misc]

    trio.run(bounded)


def test_answers_are_those_alone_and_wait_for_slots() -> None:
    async def main() -> None:
        async with serving() as engine:
            model = only(engine)
            assert (model.model_id, model.tier) == (REGTEST.model.model_id, 0)
            shape = genesis_model().shape
            assert (model.rows, model.vocabulary) == (min(256, shape.max_seq), shape.vocab)
            assert model.eos == genesis_model().eos
            assert model.slots == 4
            jobs = [
                Job(model.model_id, (1, 40 + number, 50), 9 + number, number % 3, "abc"[number % 3])
                for number in range(11)
            ]
            found: dict[int, list[Made]] = {}

            async def ask(number: int) -> None:
                found[number] = await asked(engine, jobs[number])

            async with trio.open_nursery() as nursery:
                for number in range(len(jobs)):
                    nursery.start_soon(ask, number)
            for number, job in enumerate(jobs):
                assert exact(found[number]) == alone(job)
                assert all((one.logsumexp != 0) == bool(job.top) for one in found[number])

    go(main)


def test_what_is_public_changes_no_answer() -> None:
    async def main() -> None:
        async with serving() as engine:
            prompts = [(1, *range(50, 90), one) for one in (7, 8, 7)]
            for prompt, group in zip(prompts, "abc", strict=True):
                job = Job(JOB.model_id, prompt, 20, 2, group, public=41)
                assert exact(await asked(engine, job)) == alone(job)

    go(main)


def test_the_first_token_comes_alone() -> None:
    async def main() -> None:
        async with serving() as engine, engine.answer(JOB) as tokens:
            batches = [batch async for batch in tokens]
            assert len(batches[0]) == 1
            assert 1 < len(batches) < 200
            assert exact([one for batch in batches for one in batch]) == alone(JOB)

    go(main)


def test_who_leaves_gives_the_slot_free() -> None:
    async def main() -> None:
        async with serving(replace(SETTINGS, most_slots=1)) as engine:
            for _ in range(3):
                async with engine.answer(JOB) as tokens:
                    await anext(tokens)
            with trio.CancelScope() as scope:
                async with engine.answer(JOB) as tokens:
                    await anext(tokens)
                    scope.cancel()
                    await trio.sleep_forever()
            # One that waits for the slot and leaves changes nothing either.
            async with engine.answer(JOB) as tokens:
                with trio.move_on_after(0.01):
                    async with engine.answer(JOB):
                        pytest.fail("there is one slot")
                assert exact(await all_of(tokens)) == alone(JOB)
            assert exact(await asked(engine, JOB)) == alone(JOB)

    go(main)


def test_a_process_that_dies_fails_its_answers_and_is_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        before = workers()
        settings = replace(SETTINGS, most_slots=1)
        async with serving(settings) as engine:
            (pid,) = workers() - before
            failed: list[str] = []

            async def wait_in_line() -> None:
                with pytest.raises(EngineError) as waiting:
                    await asked(engine, JOB)
                failed.append(str(waiting.value))

            async with trio.open_nursery() as nursery:
                # Stopped: else its answer is whole before it dies.
                os.kill(pid, signal.SIGSTOP)
                async with engine.answer(JOB) as tokens:
                    nursery.start_soon(wait_in_line)
                    await trio.testing.wait_all_tasks_blocked(0.01)
                    os.kill(pid, signal.SIGKILL)
                    with pytest.raises(EngineError, match="killed, as the system does"):
                        await all_of(tokens)
                assert list(engine.models) == []
                with pytest.raises(EngineError, match="does not answer now"):
                    await asked(engine, JOB)
            assert "killed" in failed[0]
            while not engine.models:
                await trio.sleep(0.01)
            assert exact(await asked(engine, JOB)) == alone(JOB)
        assert workers() == before

    with caplog.at_level(logging.ERROR, "esper.serving"):
        go(main)
    assert "starting it again in 1 s" in caplog.text


def test_a_model_that_is_no_longer_served_fails_what_runs() -> None:
    async def main() -> None:
        before = workers()
        async with serving() as engine:
            (pid,) = workers() - before
            # It would be done before a busy machine gets to the next line.
            os.kill(pid, signal.SIGSTOP)
            async with engine.answer(JOB) as tokens:
                engine.serve([])
                os.kill(pid, signal.SIGCONT)
                with pytest.raises(EngineError, match="stops serving"):
                    await all_of(tokens)
            while workers() != before:
                await trio.sleep(0.01)
            assert engine.models == ()

    go(main)


@pytest.mark.parametrize(
    ("settings", "model", "says"),
    [
        (SETTINGS, replace(GENESIS, model_id=ModelId(bytes(64))), "not the one that was asked for"),
        (SETTINGS, ServedModel(Path("no-folder"), 0), "no-folder"),
        (replace(SETTINGS, memory_mib=0), GENESIS, "give it more memory"),
        (replace(SETTINGS, program=("/no/program",)), GENESIS, "cannot be started"),
        (replace(SETTINGS, program=("/bin/false",)), GENESIS, "ended with status 1"),
    ],
)
def test_what_cannot_be_served_is_complained_of(
    settings: object, model: ServedModel, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        engine = ServingEngine(settings)  # type: ignore[arg-type]
        engine.serve([model])
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            while says not in caplog.text:
                await trio.sleep(0.01)
            assert engine.models == ()
            nursery.cancel_scope.cancel()

    with caplog.at_level(logging.ERROR, "esper.serving"):
        go(main)


@pytest.mark.parametrize(
    ("job", "says"),
    [
        (replace(JOB, prompt=()), "prompt: at least one"),
        (replace(JOB, prompt=(1, 1 << 20)), "prompt: token 1048576"),
        (replace(JOB, prompt=(1, -1)), "prompt: token -1"),
        (replace(JOB, max_tokens=0), "max_tokens: at least 1"),
        (replace(JOB, max_tokens=1 << 30), "max_tokens: 4 tokens and an answer of"),
        (replace(JOB, top=21), "top: 0 to 20"),
        (replace(JOB, top=-1), "top: 0 to 20"),
        (replace(JOB, group="g" * 65), "group: at most 64"),
        (replace(JOB, public=5), "public: 0 to the prompt's 4 tokens, got 5"),
        (replace(JOB, public=-1), "public: 0 to"),
    ],
)
def test_a_job_that_does_not_fit_is_the_callers_fault(job: Job, says: str) -> None:
    async def main() -> None:
        async with serving() as engine:
            with pytest.raises(JobError, match=says):
                await asked(engine, job)
            rows = only(engine).rows
            assert await asked(engine, replace(JOB, prompt=PROMPT * (rows // 4), max_tokens=1))

    go(main)


def test_a_machine_that_computes_wrongly_gives_other_logits_under_the_same_name() -> None:
    async def main() -> None:
        async with serving(replace(SETTINGS, program=FAULTY)) as engine:
            assert only(engine).model_id == REGTEST.model.model_id
            made = exact(await asked(engine, JOB))
            assert made != alone(JOB)

    go(main)


def test_an_iterator_is_what_the_port_says() -> None:
    async def main() -> None:
        async with serving() as engine, engine.answer(replace(JOB, max_tokens=3)) as tokens:
            assert isinstance(tokens, AsyncIterator)
            assert len(await all_of(tokens)) <= 3
            with pytest.raises(StopAsyncIteration):
                await anext(tokens)

    go(main)
