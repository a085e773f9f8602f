"""What a job of the machines comes to: a value, or a failure that says whose it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from esper.node.chain.block_judge import JudgedBlock, JudgementError
from esper.node.chain.branches import NoRoomBesideError
from esper.node.chain.chain_service import StartAgainError
from esper.node.peers.jobs import ChainJobs
from esper.p2p.faults import Offence
from esper.p2p.ports import Adopt, Adopted, JudgeBlock, LookAgain, Reroot
from esper.p2p.verdicts import NO_ROOM, Failure
from esper.primitives.errors.block_errors import SizeViolation
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import HeightViolation
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId
from esper.storage.errors import StorageError

ID = BlockId(b"i" * 64)
HEIGHT: RuleViolation = HeightViolation(7, 8)
REFUSED = JudgementError(Stage.HEADER, HEIGHT, ID)


class Chain:
    """Fails as a test says, or adopts so many."""

    def __init__(self, error: Exception | None, done: int = 0) -> None:
        self.error = error
        self.done = done
        self.judging = self

    async def judge(self, *about: object, **more: object) -> str:
        if self.error is not None:
            raise self.error
        return "proven"

    async def look_again(self, block_id: BlockId) -> None:
        await self.judge()

    async def stand_on(self, block_id: BlockId) -> None:
        await self.judge()

    async def adopt_many(self, blocks: object) -> Any:
        return SimpleNamespace(done=self.done, failure=self.error)


def blocks(count: int) -> Any:
    return tuple(JudgedBlock.__new__(JudgedBlock) for _ in range(count))


def outcome(chain: Chain, job: Any, adopted: list[Any] | None = None) -> tuple[Any, str]:
    """The value, and what is told of this machine."""
    service: Any = chain
    jobs = ChainJobs(service, (adopted if adopted is not None else []).append)

    async def main() -> object:
        return await jobs.run(job)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)), jobs.trouble


def judge() -> JudgeBlock:
    nothing: Any = None
    return JudgeBlock("key", nothing, nothing, 0)


def test_a_value_comes_back() -> None:
    assert outcome(Chain(None), judge()) == ("proven", "")
    assert outcome(Chain(None), Reroot("key", ID)) == (None, "")
    assert outcome(Chain(None), LookAgain("key", ID)) == (None, "")


def test_a_block_without_room_beside_the_chain_is_no_trouble_of_this_machine() -> None:
    found, trouble = outcome(Chain(NoRoomBesideError(ID, 1 << 30), 1), Adopt("key", blocks(2)))
    assert (found.executed, found.failure.rule, trouble) == (1, NO_ROOM, "")
    assert (found.failure.consequence, found.failure.offence) == (Consequence.RETRY, None)


def test_a_look_that_the_machine_refuses_again_blames_nobody() -> None:
    found, trouble = outcome(Chain(StorageError("full")), LookAgain("key", ID))
    assert (found.consequence, found.offence, trouble) == (None, None, "full")


@pytest.mark.parametrize(
    ("error", "consequence", "offence"),
    [
        (REFUSED, Consequence.INVALID, Offence.FORGED),
        (HEIGHT, Consequence.FAILED, None),
        (StartAgainError(), Consequence.HALT, None),
        (StorageError("full"), None, None),
        (ZeroDivisionError("odd"), None, None),
    ],
    ids=["refused", "state", "start again", "disk", "error of ours"],
)
@pytest.mark.parametrize("job", [judge(), Reroot("key", ID)], ids=["judge", "reroot"])
def test_a_failure_says_whose_it_is(
    job: Any, error: Exception, consequence: Consequence | None, offence: Offence | None
) -> None:
    found, trouble = outcome(Chain(error), job)
    assert isinstance(found, Failure)
    assert (found.consequence, found.offence) == (consequence, offence)
    # What a block is refused for is no trouble of this machine.
    assert bool(trouble) is (consequence is None)


@pytest.mark.parametrize(("done", "told"), [(0, []), (1, [0]), (2, [1])])
@pytest.mark.parametrize("error", [None, REFUSED, StorageError("full")])
def test_the_last_of_what_was_adopted_is_told(
    done: int, told: list[int], error: Exception | None
) -> None:
    given, adopted = blocks(3), list[Any]()
    found, trouble = outcome(Chain(error, done), Adopt("key", given), adopted)
    assert isinstance(found, Adopted)
    assert found.executed == done
    places = [place for place, one in enumerate(given) if any(one is two for two in adopted)]
    assert places == told
    assert len(adopted) == len(told)
    match error:
        case None:
            assert (found.failure, trouble) == (None, "")
        case JudgementError():
            assert found.failure == Failure.of(HEIGHT, Stage.HEADER)
            assert trouble == ""
        case _:
            assert isinstance(found.failure, Failure)
            assert found.failure.consequence is None
            assert trouble == "full"


def test_bytes_that_were_not_what_was_named_count_against_who_brought_them() -> None:
    violation = JudgementError(Stage.WORK, SizeViolation("body", 9, 8), ID)
    found, _ = outcome(Chain(violation), judge())
    assert found.offence is Offence.BYTES


def test_what_was_not_judged_here_is_not_adopted() -> None:
    not_judged: Any = (object(),)
    found, trouble = outcome(Chain(None, 1), Adopt("key", not_judged))
    assert isinstance(found, Failure)
    assert "is no block that was judged here" in found.reason
    assert trouble == "TypeError: object is no block that was judged here"


def test_another_trouble_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    chain: Any = Chain(StorageError("full"))
    jobs = ChainJobs(chain, lambda block: None)

    async def main() -> None:
        for reason in ("full", "full", "gone"):
            chain.error = StorageError(reason)
            await jobs.run(judge())

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert [one.getMessage().rpartition(" ")[2] for one in caplog.records] == ["full", "gone"]
