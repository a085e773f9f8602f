"""Jobs of the network's machines, done by this node's chain in threads."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import trio

from esper.node.chain.block_judge import JudgedBlock, JudgementError
from esper.node.chain.branches import NoRoomBesideError
from esper.node.chain.chain_service import ChainService, StartAgainError
from esper.p2p.ports import (
    Adopt,
    Adopted,
    CheckLists,
    CheckWork,
    Job,
    JudgeBlock,
    LookAgain,
    Reroot,
)
from esper.p2p.verdicts import Failure
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId
from esper.saying import complain
from esper.storage.errors import StorageError

LOG: Final = logging.getLogger("esper.network")
TELL_AGAIN_S: Final = 60
"""A trouble that lasts is told so often."""


class ChainJobs:
    """Does what machines ask for. Nothing is raised but Cancelled: a failure is a value."""

    def __init__(self, chain: ChainService, adopted: Callable[[JudgedBlock], None]) -> None:
        """``adopted`` hears of the last of blocks that were adopted together."""
        self._chain = chain
        self._adopted = adopted
        self._told_s = -float(TELL_AGAIN_S)
        self.trouble = ""
        """Why blocks cannot be taken now by a fault of this machine; empty if they can."""

    async def run(self, job: Job) -> object:
        """The job's value, or a Failure."""
        try:
            return await self._run(job)
        except JudgementError as refused:
            return Failure.of(refused.violation, refused.stage)
        except RuleViolation as violation:
            return Failure.of(violation, Stage.STATE)
        except StartAgainError as error:
            return Failure(Consequence.HALT, None, str(error))
        except Exception as error:
            self._complain(error)
            return Failure.of_machine(error)

    async def _run(self, job: Job) -> object:
        match job:
            case CheckWork():
                await self._chain.judging.judge_work(job.header, job.outputs, job.proof, job.parent)
                return None
            case CheckLists():
                return await self._chain.judging.judge_lists(
                    job.header,
                    job.outputs,
                    job.proof,
                    job.parent,
                    job.transactions,
                    job.results,
                    job.groups,
                    received_ms=job.received_ms,
                )
            case JudgeBlock():
                return await self._chain.judging.judge(
                    job.data, job.parent, received_ms=job.received_ms, assumed=job.assumed
                )
            case Adopt():
                return await self._adopt([_judged(one) for one in job.blocks])
            case Reroot():
                await self._chain.stand_on(BlockId(job.block_id))
                return None
            case LookAgain():
                await self._chain.look_again(job.block_id)
                return None

    async def _adopt(self, blocks: Sequence[JudgedBlock]) -> Adopted:
        adopted = await self._chain.adopt_many(blocks)
        if adopted.failure is None:
            self.trouble = ""
        if adopted.done:
            self._adopted(blocks[adopted.done - 1])
        match adopted.failure:
            case None:
                return Adopted(adopted.done)
            case JudgementError() as refused:
                return Adopted(adopted.done, Failure.of(refused.violation, refused.stage))
            case NoRoomBesideError() as error:
                return Adopted(adopted.done, Failure.of_no_room(error))
            case error:
                self._complain(error)
                return Adopted(adopted.done, Failure.of_machine(error))

    def _complain(self, error: Exception) -> None:
        # A full disk or a closed worker says nothing about whoever brought the block.
        reason = str(error)
        if not isinstance(error, StorageError):
            reason = f"{type(error).__name__}: {error}"
        same, self.trouble = reason == self.trouble, reason
        now = trio.current_time()
        if same and now - self._told_s < TELL_AGAIN_S:
            # It is tried again each second.
            return
        self._told_s = now
        complain(LOG, "job_failed", "a block could not be taken here: {reason}", reason=reason)


def _judged(proven: object) -> JudgedBlock:
    if not isinstance(proven, JudgedBlock):
        raise TypeError(f"{type(proven).__name__} is no block that was judged here")
    return proven
