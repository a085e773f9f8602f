"""Messages to a worker: several leave in one write, and arrive one by one in their order."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import trio

from esper.node.workers.worker_process import PICKLES, Wire, WorkerError, WorkerProcess

pytestmark = pytest.mark.nodes

ECHO = """
import sys
from esper.node.workers.worker_messages import Ready, frame, read_message
inward, outward = sys.stdin.buffer, sys.stdout.buffer
begin = read_message(inward)
outward.write(frame(Ready(b"")))
outward.flush()
while (message := read_message(inward)) != "end":
    outward.write(frame((begin, message)))
    outward.flush()
"""


async def several_messages() -> None:
    sent = ["first", b"x" * 300_000, ("third", 3)]
    with trio.fail_after(60):
        worker = await WorkerProcess.launch("echo", [sys.executable, "-c", ECHO], 1, "begun")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.send, *sent)
            assert [await worker.receive() for _ in sent] == [("begun", one) for one in sent]
        await worker.send()
        await worker.send("fourth")
        assert await worker.receive() == ("begun", "fourth")
        await worker.end()


async def gone() -> None:
    with trio.fail_after(60):
        worker = await WorkerProcess.launch("echo", [sys.executable, "-c", ECHO], 1, "begun")
        await worker.send("end")
        with pytest.raises(WorkerError, match="echo worker"):
            await worker.receive()
        with pytest.raises(WorkerError, match="echo worker"):
            await worker.send("first", "second")
        await worker.end()


def test_several_messages_arrive_in_their_order_and_whole() -> None:
    trio.run(several_messages)


def test_who_has_gone_takes_none_of_several() -> None:
    trio.run(gone)


def no_messages(data: bytes) -> object:
    raise ValueError(f"{len(data)} bytes are none")


async def strange(wire: Wire, why: str) -> None:
    with trio.fail_after(60):
        command = [sys.executable, "-c", ECHO]
        with pytest.raises(WorkerError, match=why):
            await WorkerProcess.launch("echo", command, 1, "begun", wire=wire)


def test_a_message_longer_than_any_is_not_waited_for() -> None:
    trio.run(strange, replace(PICKLES, most=10), "announced a message of [0-9]+ bytes, at most 10")


def test_what_cannot_be_read_is_said_in_words() -> None:
    trio.run(strange, replace(PICKLES, read=no_messages), "said what none says: [0-9]+ bytes are")
