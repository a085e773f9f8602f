"""The worker processes themselves, on the genesis model: what they find holds, however they end."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import trio

from esper.consensus.chain import BlockBytes, ProvenChain, check_proven, read_block
from esper.consensus.ports import ProofMalformedError, ProofRejectedError
from esper.consensus.template import EMPTY_PLAN, Template
from esper.consensus.work_rules import check_work
from esper.dao.registry import Puzzle
from esper.node.mining.templates import TemplateMaker, block_of, job_of
from esper.node.workers.call_answerer import OpenCall
from esper.node.workers.loadable import Loadable
from esper.node.workers.native_work import NativeVerifier
from esper.node.workers.process_prover import ProcessProver
from esper.node.workers.process_searcher import ProcessSearcher
from esper.node.workers.search import SearchJob, Ticket
from esper.node.workers.worker_messages import Found, Progress, Unfit, read_message
from esper.node.workers.worker_process import WorkerError, WorkerSettings
from esper.node.workers.worker_slot import WorkerState
from esper.primitives.errors.work_errors import (
    ProofEncodingViolation,
    ProofViolation,
    WorkViolation,
)
from esper.primitives.ids import ModelId, Txid
from esper.primitives.networks import DEMO_ADDRESS, REGTEST
from esper.vm.llm_call import LlmCall

pytestmark = pytest.mark.serial

ROOT = Path(__file__).parents[4]
MODEL = ROOT / "genesis" / "model"
ENTRY = Loadable(REGTEST.model, Puzzle.of(REGTEST.puzzle))
SETTINGS = WorkerSettings("regtest", MODEL, ROOT / "prompt_bank" / "bank.json", 1, ENTRY)
CALL = OpenCall(Txid(bytes(64)), LlmCall(REGTEST.model.model_id, (1, 50, 51), 4, 10))


def first_job(number: int = 1) -> tuple[SearchJob, Template]:
    """A job on the genesis, and its template."""
    chain = ProvenChain.genesis(REGTEST)
    maker = TemplateMaker(REGTEST, DEMO_ADDRESS, bytes(32))
    now_ms = REGTEST.genesis_time_ms + 10_000
    template = maker.template(
        chain.context, chain.state, EMPTY_PLAN, model=REGTEST.model, time_ms=now_ms
    )
    return job_of(number, template, chain.context), template


def never(job: SearchJob) -> SearchJob:
    """The same job with a target that nothing meets."""
    return replace(job, pre=replace(job.pre, target=bytes(63) + b"\1"))


def children(pid: int | None = None) -> set[int]:
    """Ids of a process's children, whichever of its threads started them."""
    tasks = Path(f"/proc/{pid or os.getpid()}/task").glob("*/children")
    return {int(number) for task in tasks for number in task.read_text().split()}


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@asynccontextmanager
async def searching(
    searcher: ProcessSearcher,
) -> AsyncIterator["trio.MemoryReceiveChannel[Found | Progress]"]:
    send, receive = trio.open_memory_channel[Found | Progress](1000)
    async with trio.open_nursery() as nursery:
        await nursery.start(searcher.run, send)
        yield receive
        nursery.cancel_scope.cancel()


async def next_ticket(events: "trio.MemoryReceiveChannel[Found | Progress]") -> Found:
    with trio.fail_after(60):
        async for event in events:
            if isinstance(event, Found):
                return event
    raise AssertionError("the events ended")


@asynccontextmanager
async def prover() -> AsyncIterator[ProcessProver]:
    started = ProcessProver(SETTINGS)
    try:
        yield started
    finally:
        await started.close()


def only_child(before: set[int]) -> int:
    [child] = children() - before
    return child


@pytest.fixture(scope="module")
def ticket() -> Ticket:
    """Found by a searching process, once it was told what to search for last."""

    async def find() -> Ticket:
        searcher = ProcessSearcher(SETTINGS)
        job, _ = first_job(7)
        async with searching(searcher) as events:
            searcher.search(never(replace(job, number=6)))
            progress = await events.receive()
            assert isinstance(progress, Progress)
            assert progress.attempts > 0
            searcher.search(job)
            found = await next_ticket(events)
        assert found.number == 7
        return found.ticket

    before = children()
    found = trio.run(find)
    assert children() <= before
    return found


def test_a_ticket_found_and_proven_makes_a_valid_block(ticket: Ticket) -> None:
    async def prove() -> bytes:
        async with prover() as proving:
            return await proving.prove_work(ticket.claim)

    before = children()
    proof = trio.run(prove)
    assert children() <= before
    NativeVerifier().verify(ticket.claim, proof)
    _, template = first_job()
    block = read_block(BlockBytes.of(block_of(template, ticket, proof)), REGTEST.limits)
    genesis = ProvenChain.genesis(REGTEST)
    check_proven(genesis.context, block, NativeVerifier(), now_ms=ticket.pre.time_ms)
    with pytest.raises(ProofRejectedError) as rejected:
        NativeVerifier().verify(replace(ticket.claim, binding=bytes(64)), proof)
    assert not isinstance(rejected.value, ProofMalformedError)
    # Rules 8 and 9 of work, natively: bytes that do not decode, and a proof that shows nothing.
    flipped = bytes((*proof[:-1], proof[-1] ^ 1))
    for changed, violation in [
        (proof + b"\0", ProofEncodingViolation),
        (proof[:-1], ProofEncodingViolation),
        (b"", ProofEncodingViolation),
        (flipped, ProofViolation),
    ]:
        with pytest.raises(WorkViolation) as broken:
            check_work(
                block.header,
                block.body.outputs,
                changed,
                REGTEST.puzzle,
                REGTEST.model,
                NativeVerifier(),
            )
        assert type(broken.value) is violation


def test_a_prover_that_is_killed_or_given_up_is_followed_by_another(ticket: Ticket) -> None:
    async def main() -> None:
        before = children()
        async with prover() as proving:
            await proving.start()
            first = only_child(before)
            # Ctrl-C at the terminal goes to the node's group alone.
            assert os.getsid(first) != os.getsid(0)
            assert os.getpgid(first) != os.getpgid(0)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(kill_soon, first)
                with pytest.raises(WorkerError, match=r"status -9 \(killed, as"):
                    await proving.prove_work(ticket.claim)
            lost = proving.slot.standing()
            assert (lost.state, lost.pid, lost.proofs) == (WorkerState.NONE, 0, 0)
            assert lost.lost is not None
            assert "status -9" in lost.lost.why
            assert lost.busy_ms > 0
            # The pool's size is fixed at the start of a process.
            await proving.use_threads(2)
            [said] = await proving.answer([CALL])
            assert len(said.answer) == 4
            second = only_child(before)
            assert second != first
            assert threads_of(second) == "2"
            again = proving.slot.standing()
            assert (again.state, again.pid, again.restarts) == (WorkerState.IDLE, second, 1)
            # A proof that nobody waits for ends with its process, at once.
            began = time.monotonic()
            with trio.move_on_after(0.05) as scope:
                await proving.prove_work(ticket.claim)
            assert scope.cancelled_caught
            assert time.monotonic() - began < 2
            assert not is_running(second)
            # Nobody is at fault: the one that was killed is still the last that was lost.
            ended = proving.slot.standing()
            assert ended.state is WorkerState.NONE
            assert ended.lost is not None
            assert "status -9" in ended.lost.why
            assert children() <= before
            assert await proving.answer([CALL]) == [said]
        assert children() <= before

    trio.run(main)


async def kill_soon(pid: int) -> None:
    await trio.sleep(0.05)
    os.kill(pid, signal.SIGKILL)


def threads_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return words[words.index("--threads") + 1]


def test_a_searcher_that_is_killed_can_be_started_again() -> None:
    async def main() -> None:
        before = children()
        searcher = ProcessSearcher(SETTINGS)
        job, _ = first_job(3)

        async def search_until_killed() -> None:
            async with searching(searcher) as events:
                searcher.use_threads(2)
                searcher.search(never(job))
                await events.receive()
                os.kill(only_child(before), signal.SIGKILL)
                await trio.sleep_forever()

        with pytest.raises(BaseExceptionGroup) as group:
            await search_until_killed()
        assert group.value.subgroup(WorkerError) is not None
        assert children() <= before
        lost = searcher.slot.standing()
        assert lost.state is WorkerState.NONE
        assert lost.lost is not None
        assert "status -9" in lost.lost.why
        assert lost.attempts > 0
        async with searching(searcher) as events:
            # What was said about its threads still holds.
            assert threads_of(only_child(before)) == "2"
            assert searcher.slot.standing().pid == only_child(before)
            searcher.search(never(job))
            await events.receive()
            busy = searcher.slot.standing()
            assert (busy.state, busy.in_hand, busy.restarts) == (WorkerState.BUSY, "block 1", 1)
            searcher.search(job)
            assert (await next_ticket(events)).number == 3
            # It waits for its next job.
            assert searcher.slot.standing().state is WorkerState.IDLE
        assert searcher.slot.standing().state is WorkerState.NONE

    trio.run(main)


def test_a_worker_without_a_model_says_why(tmp_path: Path) -> None:
    async def main() -> None:
        before = children()
        proving = ProcessProver(replace(SETTINGS, model=tmp_path))
        with pytest.raises(WorkerError, match=str(tmp_path)):
            await proving.start()
        lost = proving.slot.standing().lost
        assert lost is not None
        assert str(tmp_path) in lost.why
        assert children() <= before

    trio.run(main)


def test_a_worker_searches_the_ticket_of_its_entry() -> None:
    shorter = replace(ENTRY, puzzle=replace(ENTRY.puzzle, max_answer=4))

    async def main() -> Ticket:
        searcher = ProcessSearcher(replace(SETTINGS, entry=shorter))
        async with searching(searcher) as events:
            searcher.search(first_job(4)[0])
            return (await next_ticket(events)).ticket

    ticket = trio.run(main)
    assert set(ticket.claim.max_answers) == {4}
    assert max(len(answer.tokens) for answer in ticket.outputs.answers) <= 4


async def start_search(settings: WorkerSettings) -> None:
    await ProcessSearcher(settings).run(trio.open_memory_channel[Found | Progress](1)[0])


async def start_prover(settings: WorkerSettings) -> None:
    await ProcessProver(settings).start()


@pytest.mark.parametrize("start", [start_search, start_prover])
def test_a_worker_of_another_model_than_its_entry_s_is_unfit(
    start: Callable[[WorkerSettings], Awaitable[None]],
) -> None:
    other = replace(ENTRY, model=replace(ENTRY.model, model_id=ModelId(b"o" * 64)))

    async def main() -> None:
        before = children()
        with pytest.raises(WorkerError, match=r"is not the chain's, 6f6f6f6f"):
            await start(replace(SETTINGS, entry=other))
        assert children() <= before

    trio.run(main)


HUNGRY = """
import sys
from esper.node.workers import worker_main

def load(*_):
    raise MemoryError

worker_main.load_model = load
worker_main.main()
"""


@pytest.mark.parametrize("role", ["search", "prove"])
def test_a_worker_that_has_no_memory_for_its_model_says_so(role: str) -> None:
    words = [role, "--network", "regtest", "--model", "m", "--bank", "b", "--threads", "1"]
    with subprocess.Popen(
        [sys.executable, "-c", HUNGRY, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        said = read_message(BytesIO(worker.stdout.read()))
    assert said == Unfit(
        f"{role} worker: there is too little memory for the model; see its limit (ulimit -v)"
    )


def test_a_worker_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def main() -> None:
        with pytest.raises(WorkerError, match="prove worker cannot be started: Too many open"):
            await ProcessProver(SETTINGS).start()

    monkeypatch.setattr(trio.lowlevel, "open_process", refuse)
    trio.run(main)


PARENT = """
import sys, trio
sys.path.insert(0, {root!r})
from tests.unit.node.workers.test_node_workers import SETTINGS, children, first_job, never
from esper.node.workers.process_prover import ProcessProver
from esper.node.workers.process_searcher import ProcessSearcher

async def main():
    send, receive = trio.open_memory_channel(1000)
    searcher, prover = ProcessSearcher(SETTINGS), ProcessProver(SETTINGS)
    async with trio.open_nursery() as nursery:
        await prover.start()
        await nursery.start(searcher.run, send)
        searcher.search(never(first_job()[0]))
        await receive.receive()
        print(*children(), flush=True)

trio.run(main)
"""


def test_nothing_runs_on_when_the_node_is_killed() -> None:
    script = PARENT.format(root=str(ROOT))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        workers = [int(number) for number in parent.stdout.readline().split()]
        try:
            assert len(workers) == 2
            assert all(is_running(worker) for worker in workers)
            parent.kill()
            parent.wait()
            assert all(gone_within(worker, 5) for worker in workers)
        finally:
            parent.kill()
            for worker in workers:
                if is_running(worker):
                    os.kill(worker, signal.SIGKILL)
