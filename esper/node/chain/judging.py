"""Blocks are judged in threads, as a whole or in the parts that are here, beside all else."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import trio

from esper.consensus.chain import BlockBytes
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.node.chain.block_judge import JudgedBlock, at_stage
from esper.node.chain.chain_manager import ChainManager
from esper.node.clock import Clock
from esper.primitives.errors.consequences import Stage
from esper.primitives.work_outputs import WorkOutputs

T = TypeVar("T")

JUDGING_THREADS: Final = max(2, os.cpu_count() or 1)
"""Proofs are verified outside the interpreter's lock."""


class Judging:
    """A chain manager's judge, for many tasks."""

    def __init__(self, manager: ChainManager, clock: Clock, steady: Clock) -> None:
        """``clock`` judges the times of blocks, ``steady`` says when they came."""
        self._manager = manager
        self._judge = manager.block_judge
        self._clock = clock
        self._steady = steady
        self._threads = trio.CapacityLimiter(JUDGING_THREADS)

    async def judge(
        self,
        block: BlockBytes,
        parent: HeaderChain,
        *,
        received_ms: int | None = None,
        assumed: bool = False,
    ) -> JudgedBlock:
        """All that needs no state, in a thread, beside whatever else goes on.

        Of a block that is ``assumed`` to be proven the proof is not asked for. Raises
        JudgementError.
        """
        now_ms = self._clock()
        received_ms = self._steady() if received_ms is None else received_ms
        return await self._in_thread(
            partial(
                self._judge.judge,
                block,
                parent,
                now_ms=now_ms,
                received_ms=received_ms,
                assumed=assumed,
            )
        )

    def parent_of(self, header: Header) -> HeaderChain:
        """The branch that a header builds on, unless the tree knows something against it.

        Raises JudgementError at the stage of the header.
        """
        with at_stage(Stage.HEADER, header.block_id):
            return self._manager.check_may_come(header)

    def read_header(self, data: bytes) -> Header:
        """A header from its bytes. Raises JudgementError."""
        return self._judge.read_header(data)

    def judge_header(self, header: Header, parent: HeaderChain) -> HeaderChain:
        """A header on top of any branch, by the clock of now: the branch with it on top.

        Cheap, and done at once. Raises JudgementError.
        """
        self._judge.check_header(header, parent, now_ms=self._clock())
        return parent.extended_by_header(header)

    def judge_alone(self, header: Header, genesis_hash: bytes) -> None:
        """A header by itself, wherever it stands. Cheap. Raises JudgementError."""
        self._judge.check_alone(header, genesis_hash)

    async def judge_work(
        self, header: Header, outputs: bytes, proof: bytes, parent: HeaderChain
    ) -> WorkOutputs:
        """The work of a header that fits ``parent``, in a thread. Raises JudgementError."""
        return await self._in_thread(
            partial(self._judge.check_work, header, outputs, proof, parent)
        )

    async def judge_lists(
        self,
        header: Header,
        outputs: bytes,
        proof: bytes,
        parent: HeaderChain,
        transactions: Sequence[bytes],
        results: Sequence[bytes],
        groups: Sequence[bytes],
        *,
        received_ms: int,
    ) -> JudgedBlock:
        """The lists of a block whose work ``judge_work`` let pass, in a thread: now it is proven.

        ``received_ms`` is when it came, by the steady clock. Raises JudgementError, and ValueError
        for a block whose work was not judged before.
        """

        def work() -> JudgedBlock:
            block, content = self._judge.check_lists(
                header, outputs, proof, transactions, results, groups
            )
            return self._judge.judged(block, content, parent, received_ms=received_ms)

        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._threads)
