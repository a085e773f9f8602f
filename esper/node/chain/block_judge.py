"""Judging blocks before anybody changes anything: header, work and lists, in any thread.

Nothing here knows the tree of blocks or the state. What it remembers only spares work: an id that
was refused for good is refused again at once, and an id whose work held is not asked for it twice,
so that junk lists under one worked header cost hashes and no proofs.
"""

import copy
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from esper.consensus.block import Block
from esper.consensus.block_isolation import (
    BlockContent,
    check_lists,
    check_parts_of_work,
    read_body,
)
from esper.consensus.chain import BlockBytes, check_header, check_work_of
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.consensus.ports import WorkVerifier
from esper.primitives.errors.consequences import Stage, consequence_of
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId
from esper.primitives.params import LimitParameters

V = TypeVar("V")

REMEMBERED: Final = 8_192
"""Ids of each kind; of an id 64 bytes and a violation, a megabyte or two in all."""


@dataclass(frozen=True, slots=True)
class JudgedBlock:
    """A block whose header fits its branch, whose work is proven and whose lists read back."""

    block_id: BlockId
    """64 bytes."""
    data: BlockBytes
    """As it came: what was hashed is what is stored."""
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
        self._refused: _Remembered[RuleViolation] = _Remembered(REMEMBERED)
        self._worked: _Remembered[bool] = _Remembered(REMEMBERED)

    def judge(
        self, data: BlockBytes, parent: HeaderChain, *, now_ms: int, received_ms: int
    ) -> JudgedBlock:
        """A block on top of a branch, from its bytes; cheap checks first.

        ``now_ms`` is the clock for the rule about future times, ``received_ms`` when the block
        came. Raises the first rule that it breaks, as its typed violation.
        """
        header = read_header(data.header, self._limits)
        self.check_header(header, parent, now_ms=now_ms)
        body = read_body(data.body, self._limits)
        block = Block(header, body, data.proof)
        self.check_work(block, parent)
        content = self.read_lists(block)
        headers = parent.extended_by_header(header)
        return JudgedBlock(header.block_id, data, block, content, headers, received_ms)

    def check_header(self, header: Header, parent: HeaderChain, *, now_ms: int) -> None:
        """The stage of the header. Raises IsolatedHeaderViolation or HeaderContextViolation.

        One that was refused for good is refused again with what it was refused for, at whatever
        stage that was.
        """
        known = self._refused.get(header.block_id)
        if known is not None:
            raise copy.copy(known)
        try:
            check_header(header, parent, now_ms=now_ms)
        except RuleViolation as violation:
            self._remember(header.block_id, violation, Stage.HEADER)
            raise

    def check_work(self, block: Block, parent: HeaderChain) -> None:
        """The stage of the work, for a header that fits ``parent``. An id is asked once.

        Raises SizeViolation, OutputsHashViolation, ProofHashViolation or a WorkViolation.
        """
        header, outputs, proof = block.header, block.body.outputs, block.proof
        if self._worked.get(header.block_id):
            # The id covers the hashes of both: if they hold, these are what was verified.
            check_parts_of_work(header, outputs, proof, self._limits)
            return
        try:
            check_work_of(header, outputs, proof, parent, self._verifier)
        except RuleViolation as violation:
            self._remember(header.block_id, violation, Stage.WORK)
            raise
        self._worked.add(header.block_id, True)

    def read_lists(self, block: Block) -> BlockContent:
        """The stage of the lists. Raises a subclass of IsolatedBlockViolation."""
        try:
            return check_lists(block, self._limits)
        except RuleViolation as violation:
            self._remember(block.header.block_id, violation, Stage.LISTS)
            raise

    def _remember(self, block_id: BlockId, violation: RuleViolation, stage: Stage) -> None:
        if consequence_of(violation, stage).marks:
            # Without the frames that it came through, which hold the block.
            self._refused.add(block_id, copy.copy(violation))
