"""Who follows the chain, and what they are told of a change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from esper.node.chain.chain_view import ChainView
from esper.node.chain.changes.arrival import Arrival, ReadBlock
from esper.primitives.ids import BlockId

Commit = Callable[[], None]
"""Puts what was prepared in place: short, on the event loop, and never raising."""


@dataclass(frozen=True, slots=True)
class ChainChange:
    """A whole change of chain, as followers are told of it in the chain's thread."""

    view: ChainView
    """The chain after it."""
    arrival: Arrival
    """What left and joined."""
    content: Callable[[BlockId], ReadBlock]
    """A block of the change as values: as it was read on the way, or read again."""


class ChainFollower(Protocol):
    """Who must agree with the chain."""

    def prepare(self, change: ChainChange) -> Commit:
        """Called in the chain's thread after every change, before anybody sees it.

        What the event loop reads must stay as it is until the answer is called there.
        """
