"""What a slot tells of the workers that come and go in it."""

import pytest

from esper.node.workers.worker_process import WorkerError, loss_told
from esper.node.workers.worker_slot import LostWorker, WorkerSlot, WorkerState


class Play:
    """A slot, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.slot = WorkerSlot(lambda: self.now)

    def ready(self, worker: int = 0, host: str = "", pid: int = 7) -> None:
        self.slot.ask(worker)
        self.slot.begin(host, pid)


@pytest.fixture
def play() -> Play:
    return Play()


def test_a_worker_from_its_start_to_its_end(play: Play) -> None:
    slot = play.slot
    assert slot.standing().state is WorkerState.NONE
    slot.ask(5)
    now = slot.standing()
    assert (now.state, now.worker, now.pid, now.up_ms) == (WorkerState.STARTING, 5, 0, 0)
    # Whoever is not ready does nothing.
    slot.work("block 1")
    assert slot.standing().state is WorkerState.STARTING
    play.now += 300
    slot.begin("rack-2", 4711)
    play.now += 20
    now = slot.standing()
    assert (now.state, now.host, now.pid) == (WorkerState.IDLE, "rack-2", 4711)
    assert (now.up_ms, now.in_hand, now.in_hand_ms) == (20, "", 0)
    slot.end()
    now = slot.standing()
    assert slot.is_free
    assert (now.worker, now.host, now.pid, now.up_ms) == (0, "", 0, 0)
    assert (now.lost, now.restarts) == (None, 0)


def test_time_of_work_is_counted_and_the_same_work_goes_on(play: Play) -> None:
    play.ready()
    play.slot.work("block 9")
    play.now += 40
    # A new template of the same block.
    play.slot.work("block 9")
    play.now += 2
    now = play.slot.standing()
    assert (now.state, now.in_hand, now.in_hand_ms) == (WorkerState.BUSY, "block 9", 42)
    assert now.busy_ms == 42
    play.slot.work("block 10")
    play.now += 8
    now = play.slot.standing()
    assert (now.in_hand, now.in_hand_ms, now.busy_ms) == ("block 10", 8, 50)
    play.slot.rest()
    play.now += 1000
    play.slot.rest()
    now = play.slot.standing()
    assert (now.state, now.in_hand_ms, now.busy_ms) == (WorkerState.IDLE, 0, 50)
    assert now.up_ms == 1050


def test_what_died_is_told_and_whoever_comes_after_it_is_a_restart(play: Play) -> None:
    play.ready(3, "rack-1")
    play.slot.tried(4, 100)
    play.slot.work("block 1")
    play.now += 10
    play.slot.lose("its process died")
    play.now += 5
    now = play.slot.standing()
    assert now.state is WorkerState.NONE
    assert now.lost == LostWorker(3, "rack-1", 5, "its process died")
    assert (now.busy_ms, now.restarts) == (10, 0)
    # One that cannot even begin is no restart, and is the one that is told of.
    play.slot.ask(4)
    play.slot.lose("no such module")
    play.ready(5, "rack-2")
    play.slot.tried(1, 20)
    play.slot.proved()
    now = play.slot.standing()
    assert now.lost == LostWorker(4, "", 0, "no such module")
    assert (now.restarts, now.attempts, now.tokens, now.proofs) == (1, 5, 120, 1)
    # One that nobody is missing.
    play.slot.end()
    play.ready(6)
    assert play.slot.standing().restarts == 1


def test_a_process_that_is_lost_within_is_lost_to_its_slot(play: Play) -> None:
    play.ready()
    with pytest.raises(WorkerError), loss_told(play.slot):
        raise WorkerError("prove worker ended with status -9")
    lost = play.slot.standing().lost
    assert lost is not None
    assert lost.why == "prove worker ended with status -9"
    with pytest.raises(ValueError, match="other"), loss_told(play.slot):
        raise ValueError("other")
    assert play.slot.standing().lost == lost
