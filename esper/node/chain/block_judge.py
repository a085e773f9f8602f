"""Judging blocks before anybody changes anything: header, work and lists, in any thread.

    check_header(header)  ->  check_work(outputs, proof)  ->  check_lists(transactions, ...)

Each stage may be asked by itself, as the parts of a block come in; a ``JudgedBlock`` is what all
three of them were passed by. A refusal says at which stage it was found.

Nothing here knows the tree of blocks or the state. What it remembers only spares work: an id that
was refused for good is refused again at once, and an id whose work held is not asked for it twice,
so that junk lists under one worked header cost hashes and no proofs.
"""

import copy
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from esper.consensus.block import Block, Body
from esper.consensus.block_isolation import (
    BlockContent,
    check_lists,
    check_parts_of_work,
    read_body,
    read_outputs,
)
from esper.consensus.chain import BlockBytes, check_header, check_work_of
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import check_header_in_isolation, read_header
from esper.consensus.ports import WorkClaim, WorkVerifier
from esper.primitives.errors.block_errors import SizeViolation
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId
from esper.primitives.params import LimitParameters
from esper.primitives.work_outputs import WorkOutputs

V = TypeVar("V")

REMEMBERED: Final = 8_192
"""Ids of each kind; of an id 64 bytes and a violation, a megabyte or two in all."""


class JudgementError(Exception):
    """A block that was refused: what follows for whom depends on stage and class together."""

    def __init__(self, stage: Stage, violation: RuleViolation, block_id: BlockId | None) -> None:
        super().__init__(f"{stage.value}: {violation}")
        self.stage = stage
        """How far it was looked at."""
        self.violation = violation
        """The first rule that it breaks."""
        self.block_id = block_id
        """64 bytes; None where the header could not be read."""

    @property
    def consequence(self) -> Consequence:
        """What a node does about it."""
        return consequence_of(self.violation, self.stage)


@contextmanager
def at_stage(stage: Stage, block_id: BlockId | None = None) -> Iterator[None]:
    """Turn a rule that is broken within into a JudgementError of this stage."""
    try:
        yield
    except RuleViolation as violation:
        raise JudgementError(stage, violation, block_id) from violation


@dataclass(frozen=True, slots=True)
class JudgedBlock:
    """A block whose header fits its branch, whose work is proven and whose lists read back."""

    block_id: BlockId
    """64 bytes."""
    data: BlockBytes
    """As it came: what was hashed is what is stored. Without its proof where none was asked for."""
    block: Block
    """Its parts as values."""
    content: BlockContent
    """Its lists as values, read once for all who follow."""
    headers: HeaderChain
    """Its branch with it on top."""
    received_ms: int
    """When it came, by the node's clock: rivals draw lots by that."""

    @property
    def header(self) -> Header:
        """Its header."""
        return self.block.header


class _Remembered(Generic[V]):
    """The last few values by id, from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[BlockId, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, block_id: BlockId) -> V | None:
        with self._lock:
            return self._values.get(block_id)

    def add(self, block_id: BlockId, value: V) -> None:
        with self._lock:
            self._values[block_id] = value
            self._values.move_to_end(block_id)
            if len(self._values) > self._limit:
                self._values.popitem(last=False)


class BlockJudge:
    """Judges blocks of a network. For any number of threads at once."""

    def __init__(self, verifier: WorkVerifier, limits: LimitParameters) -> None:
        """``verifier`` is asked from any thread."""
        self._verifier = verifier
        self._limits = limits
        self._refused: _Remembered[tuple[RuleViolation, Stage]] = _Remembered(REMEMBERED)
        self._worked: _Remembered[bool] = _Remembered(REMEMBERED)

    def judge(
        self,
        data: BlockBytes,
        parent: HeaderChain,
        *,
        now_ms: int,
        received_ms: int,
        assumed: bool = False,
    ) -> JudgedBlock:
        """A block on top of a branch, from its bytes; cheap checks first.

        ``now_ms`` is the clock for the rule about future times, ``received_ms`` when the block
        came. Of one that is ``assumed`` to be proven the proof is not verified and may be empty;
        whoever says so knows that a block it trusts builds on it. Raises JudgementError.
        """
        header = self.read_header(data.header)
        self.check_header(header, parent, now_ms=now_ms)
        block_id = header.block_id
        with at_stage(Stage.WORK, block_id):
            body = read_body(data.body, self._limits)
        block = Block(header, body, data.proof)
        self._check_work(header, body.outputs, data.proof, parent, assumed=assumed)
        content = self._check_lists(block)
        headers = parent.extended_by_header(header)
        return JudgedBlock(block_id, data, block, content, headers, received_ms)

    def read_header(self, data: bytes) -> Header:
        """A header from its bytes. Raises JudgementError."""
        with at_stage(Stage.HEADER):
            return read_header(data, self._limits)

    def check_header(self, header: Header, parent: HeaderChain, *, now_ms: int) -> None:
        """The stage of the header. Raises JudgementError.

        One that was refused for good is refused again with what it was refused for, at the stage
        that it was refused at.
        """
        self._check_unrefused(header.block_id)
        with self._remembering(Stage.HEADER, header.block_id):
            check_header(header, parent, now_ms=now_ms)

    def check_alone(self, header: Header, genesis_hash: bytes) -> None:
        """The part of that stage that asks for no branch. Raises JudgementError, as it does."""
        self._check_unrefused(header.block_id)
        with self._remembering(Stage.HEADER, header.block_id):
            check_header_in_isolation(header, genesis_hash, self._limits)

    def _check_unrefused(self, block_id: BlockId) -> None:
        known = self._refused.get(block_id)
        if known is not None:
            raise JudgementError(known[1], copy.copy(known[0]), block_id)

    def check_work(
        self, header: Header, outputs: bytes, proof: bytes, parent: HeaderChain
    ) -> WorkOutputs:
        """The stage of the work, for a header that fits ``parent``; no transaction is needed.

        ``outputs`` are the bytes under the header's ``outputs_hash``. Nothing of them is read
        before that holds, and of an id the proof is verified once. Raises JudgementError.
        """
        with self._remembering(Stage.WORK, header.block_id):
            read = read_outputs(outputs, header)
        self._check_work(header, read, proof, parent)
        return read

    def check_lists(
        self,
        header: Header,
        outputs: bytes,
        proof: bytes,
        transactions: Sequence[bytes],
        results: Sequence[bytes],
        groups: Sequence[bytes],
    ) -> tuple[Block, BlockContent]:
        """The stage of the lists, for a header whose work holds: the whole block and its content.

        The roots are compared first: whoever brought other lists says nothing about the block, and
        a body that is too long counts against it only once the header names these very lists.
        ``outputs`` are the bytes that ``check_work`` read. Raises JudgementError.
        """
        with self._remembering(Stage.WORK, header.block_id):
            read = read_outputs(outputs, header)
        body = Body(tuple(transactions), tuple(results), tuple(groups), read)
        block = Block(header, body, proof)
        content = self._check_lists(block)
        size = len(body.to_bytes())
        with self._remembering(Stage.LISTS, header.block_id):
            if size > self._limits.body_bytes:
                raise SizeViolation("body", size, self._limits.body_bytes)
        return block, content

    def judged(
        self, block: Block, content: BlockContent, parent: HeaderChain, *, received_ms: int
    ) -> JudgedBlock:
        """What three stages let pass, put together; no proof is verified again.

        ``content`` is what ``check_lists`` gave with the block. Raises ValueError for a block whose
        work nobody has seen here, and JudgementError for an outputs or proof other than its.
        """
        header = block.header
        if not self._worked.get(header.block_id):
            raise ValueError(f"nobody has checked the work of block {header.block_id.hex()[:16]}")
        with at_stage(Stage.WORK, header.block_id):
            check_parts_of_work(header, block.body.outputs, block.proof, self._limits)
        headers = parent.extended_by_header(header)
        data = BlockBytes.of(block)
        return JudgedBlock(header.block_id, data, block, content, headers, received_ms)

    def _check_work(
        self,
        header: Header,
        outputs: WorkOutputs,
        proof: bytes,
        parent: HeaderChain,
        *,
        assumed: bool = False,
    ) -> None:
        with self._remembering(Stage.WORK, header.block_id):
            if self._worked.get(header.block_id):
                # The id covers the hashes of both: if they hold, these are what was verified.
                check_parts_of_work(header, outputs, proof, self._limits)
                return
            if assumed:
                held = proof or None
                check_parts_of_work(header, outputs, held, self._limits)
                check_work_of(header, outputs, held, parent, _BELIEVED)
                return
            check_work_of(header, outputs, proof, parent, self._verifier)
        self._worked.add(header.block_id, True)

    def _check_lists(self, block: Block) -> BlockContent:
        with self._remembering(Stage.LISTS, block.header.block_id):
            return check_lists(block, self._limits)

    @contextmanager
    def _remembering(self, stage: Stage, block_id: BlockId) -> Iterator[None]:
        """Turn a broken rule into a JudgementError, and remember it if it marks the id."""
        try:
            yield
        except RuleViolation as violation:
            if consequence_of(violation, stage).marks:
                # Without the frames that it came through, which hold the block.
                self._refused.add(block_id, (copy.copy(violation), stage))
            raise JudgementError(stage, violation, block_id) from violation


class _Believed:
    """Lets every proof pass."""

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Nothing is asked."""


_BELIEVED: Final = _Believed()
