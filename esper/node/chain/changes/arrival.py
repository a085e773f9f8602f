"""What became of blocks that were given to a chain, and of the chain."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from esper.consensus.block import Block
from esper.consensus.block_isolation import BlockContent
from esper.consensus.header import Header
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId

GROUP_BLOCKS: Final = 16
"""Most blocks that share one commit: what a crash in sync may cost."""
READ_BLOCKS: Final = GROUP_BLOCKS
"""Blocks of a change of chain whose content is handed on as it was read; others are read again."""

_NOTHING: Final[Mapping[BlockId, RuleViolation]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block with its lists as values."""

    header: Header
    """Its header."""
    content: BlockContent
    """Its lists."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a block that broke no rule by itself, and of the chain."""

    block_id: BlockId
    """64 bytes."""
    new: bool
    """Whether it was unknown."""
    undone: tuple[BlockId, ...]
    """Ids of blocks that left the chain, the old tip first."""
    applied: tuple[BlockId, ...]
    """Ids of blocks that joined it, the new tip last."""
    invalid: Mapping[BlockId, RuleViolation] = field(default_factory=lambda: _NOTHING)
    """Blocks that were found to be invalid on the way, and the rule that each or the block below
    it broke; the arriving block may be among them."""
    touched: frozenset[bytes] = frozenset()
    """Paths of all state records that any of these blocks changed."""
    rerooted: bool = False
    """Whether the old tip is forgotten: the chain went back far below it, and anything in the state
    may be another. Nothing is said to be undone or applied then."""
    waiting: tuple[BlockId, ...] = ()
    """Ends of branches beside the chain that go on beyond their horizon once they were visited."""
    read: Mapping[BlockId, ReadBlock] = field(default_factory=dict, compare=False, repr=False)
    """Some of these blocks, as they were read on the way."""


def with_visit(arrival: Arrival, visited: Arrival) -> Arrival:
    """An arrival, after one of the visits for which it waited."""
    return replace(arrival, invalid=MappingProxyType({**arrival.invalid, **visited.invalid}))


@dataclass(frozen=True, slots=True)
class Way:
    """How to get to a block that is kept."""

    fork: BlockId
    """The last block of the chain on the way: where it leaves the chain."""
    above: tuple[BlockId, ...]
    """The blocks from there on, the lowest first, the wanted one last; none if it is on the
    chain."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of judged blocks that were given together."""

    arrival: Arrival
    """The change that they made."""
    done: int
    """How many of them, from the first on, are on the chain or kept beside it."""
    failure: Exception | None = None
    """What ``adopt`` raised for the one behind them, None if there is none."""


@dataclass(slots=True)
class Move:
    """What happened on the way to the best tip."""

    invalid: dict[BlockId, RuleViolation] = field(default_factory=dict)
    touched: set[bytes] = field(default_factory=set)
    read: dict[BlockId, ReadBlock] = field(default_factory=dict)
    executed: list[BlockId] = field(default_factory=list)
    """Blocks whose children have not been told yet what they confirmed."""
    waiting: list[BlockId] = field(default_factory=list)
    """Ends of branches that are to be visited."""

    def passed(self, block: Block, content: BlockContent) -> None:
        """Keep the last few blocks for those who follow the chain."""
        self.read[block.header.block_id] = ReadBlock(block.header, content)
        if len(self.read) > READ_BLOCKS:
            del self.read[next(iter(self.read))]
