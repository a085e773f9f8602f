"""What a header that a peer announces is worth: fetched, kept for later, left to sync, or blamed.

    read -> known? -> parent -> isolation and context -> how deep it forks

The network page, section 6, step 1, and section 10.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from esper.consensus.difficulty import block_weight
from esper.consensus.header import Header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import check_header_in_isolation, read_header
from esper.p2p.faults import Offence
from esper.p2p.limits import NEAR_FORK, NetworkLimits
from esper.p2p.ports import ChainPort
from esper.p2p.verdicts import Failure
from esper.primitives.errors.chain_errors import InvalidAncestorViolation, InvalidSiblingViolation
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import (
    HeaderEncodingViolation,
    HorizonViolation,
    IsolatedHeaderViolation,
    TimeFutureViolation,
    UnknownParentViolation,
)
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId

MARKS: Final = 1_024
"""Ids that are remembered: as forged, as proven with a state that failed, as parents."""
STATE_GRACE_MS: Final = 60_000
"""So long after a block's state failed here nobody is blamed for a block on top of it: whoever
relayed that had not executed its parent yet."""


@dataclass(frozen=True, slots=True)
class Fits:
    """A header of a block that may be fetched."""

    parent: HeaderChain
    """The branch below it."""
    fork: int
    """Height of the branch's last block on our chain."""


@dataclass(frozen=True, slots=True)
class Early:
    """A header whose time has not come."""

    wait_ms: int
    """How long it has to wait."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A header that sync has to look at: of an unknown parent, far ahead or of an old fork."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A header that breaks a rule."""

    failure: Failure
    """Which, and whose offence it is, if anybody's."""


Judged = Fits | Early | Elsewhere | Refused


class HeaderGate:
    """Judges headers, and remembers which blocks were found forged."""

    def __init__(self, limits: NetworkLimits, chain: ChainPort) -> None:
        self._limits = limits
        self._chain = chain
        self._forged: OrderedDict[BlockId, Failure] = OrderedDict()
        self._failed: OrderedDict[BlockId, int] = OrderedDict()
        self._adopting: dict[BlockId, tuple[HeaderChain, int]] = {}
        self._forks: dict[BlockId, int | None] = {}
        self._forks_at = chain.tip.tip_id

    def read(self, data: bytes) -> Header | Refused:
        """A header from its bytes."""
        try:
            return read_header(data, self._chain.tip.params.limits)
        except HeaderEncodingViolation as violation:
            return Refused(Failure.of(violation, Stage.HEADER))

    def is_proven(self, block_id: BlockId) -> bool:
        """Whether a block is here already."""
        return self._chain.headers_of(block_id) is not None

    def judge(self, header: Header, block_id: BlockId, now: int) -> Judged:
        """What to do about a header of a block that is not here."""
        forged = self._forged.get(block_id)
        if forged is not None:
            return Refused(forged)
        try:
            parent, fork = self._parent(header)
        except UnknownParentViolation:
            return self._alone(header)
        except InvalidAncestorViolation as violation:
            return Refused(self._on_invalid(violation, now))
        except InvalidSiblingViolation as violation:
            return Refused(Failure.of(violation, Stage.HEADER))
        try:
            self._chain.check_header(header, parent)
        except TimeFutureViolation as violation:
            return Early(violation.time_ms - violation.latest_ms)
        except HorizonViolation:
            return Elsewhere()
        except RuleViolation as violation:
            return Refused(Failure.of(violation, Stage.HEADER))
        return Fits(parent, fork) if self._is_near(header, parent, fork) else Elsewhere()

    def mark_forged(self, block_id: BlockId, failure: Failure) -> None:
        """Never fetched again; whoever announces it has not looked at it."""
        self._forged[block_id] = failure
        if len(self._forged) > MARKS:
            self._forged.popitem(last=False)

    def adopting(self, block_id: BlockId, headers: HeaderChain, fork: int) -> None:
        """A proven block is on its way into the chain: others may build on it already."""
        self._adopting[block_id] = headers, fork

    def adopted(self, block_id: BlockId, failed: bool, now: int) -> None:
        """The chain has it, or found its state wrong."""
        self._adopting.pop(block_id, None)
        if not failed:
            return
        self._failed[block_id] = now
        if len(self._failed) > MARKS:
            self._failed.popitem(last=False)

    def _parent(self, header: Header) -> tuple[HeaderChain, int]:
        adopting = self._adopting.get(header.pre.parent)
        if adopting is not None:
            return adopting
        parent = self._chain.check_may_come(header)
        fork = self._fork_of(parent.tip_id)
        if fork is None:
            raise UnknownParentViolation(header.pre.parent)
        return parent, fork

    def _fork_of(self, block_id: BlockId) -> int | None:
        """As the chain says; children cost nothing to make, so their parents are looked up once."""
        tip_id = self._chain.tip.tip_id
        if self._forks_at != tip_id:
            self._forks.clear()
            self._forks_at = tip_id
        if block_id not in self._forks:
            if len(self._forks) >= MARKS:
                self._forks.clear()
            self._forks[block_id] = self._chain.fork_height(block_id)
        return self._forks[block_id]

    def _alone(self, header: Header) -> Judged:
        tip = self._chain.tip
        try:
            check_header_in_isolation(header, tip.genesis_hash, tip.params.limits)
        except IsolatedHeaderViolation as violation:
            return Refused(Failure.of(violation, Stage.HEADER))
        return Elsewhere()

    def _on_invalid(self, violation: InvalidAncestorViolation, now: int) -> Failure:
        """Who follows a chain that this node executed and refused has other rules.

        Nobody is blamed for a block whose own state failed, whose parent is ours, nor soon after.
        """
        failure = Failure.of(violation, Stage.HEADER)
        failed = self._failed.get(violation.ancestor)
        if self._chain.height_on_chain(violation.ancestor) is not None or (
            failed is not None and now < failed + STATE_GRACE_MS
        ):
            return failure
        return replace(failure, offence=Offence.OTHER_RULES)

    def _is_near(self, header: Header, parent: HeaderChain, fork: int) -> bool:
        tip, pre = self._chain.tip, header.pre
        if pre.height > fork + self._limits.horizon:
            return False
        weight = parent.weight + block_weight(pre.target_value, pre.omega)
        return tip.height - fork <= NEAR_FORK or weight > tip.weight
