"""Answers and proofs that wait for their block.

Groups are bound to payee and calls, not to the parent, so what is ready stays ready when the tip
changes. A group is of use only while every one of its calls can be in the block.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from esper.consensus.call_groups import CallGroup
from esper.node.workers.call_answerer import AnsweredCall
from esper.primitives.ids import Txid


@dataclass(frozen=True, slots=True)
class ReadyGroup:
    """Calls whose answers come with their block, and the proof of them all."""

    calls: tuple[AnsweredCall, ...]
    """In the order of the proof."""
    group: CallGroup
    """For the body."""

    @property
    def size(self) -> int:
        """Bytes in a body."""
        return len(self.group.to_bytes())


@dataclass(frozen=True, slots=True)
class ReadyLane:
    """The answer to a lane of the chain, proven for the sender of its result."""

    answered: AnsweredCall
    """What the model said."""
    group: CallGroup
    """For the body."""


@dataclass(slots=True)
class ReadyCalls:
    """Everything that the next blocks may take."""

    groups: list[ReadyGroup] = field(default_factory=list)
    """The oldest first."""
    long_answers: dict[Txid, AnsweredCall] = field(default_factory=dict)
    """By call id: answers above the inline limit. Their calls are left open."""
    lanes: dict[Txid, ReadyLane] = field(default_factory=dict)
    """By call id: lanes of the chain."""

    def copy(self) -> "ReadyCalls":
        """What is ready now, whatever changes later."""
        return ReadyCalls(list(self.groups), dict(self.long_answers), dict(self.lanes))

    def inline(self) -> dict[Txid, ReadyGroup]:
        """The group of each call that has one."""
        return {call.call_id: group for group in self.groups for call in group.calls}

    def forget(self, call_ids: Iterable[Txid]) -> list[ReadyGroup]:
        """Drop what was kept for calls that are in the chain, or will never be; their groups."""
        gone = set(call_ids)
        dropped = [ready for ready in self.groups if gone & {call.call_id for call in ready.calls}]
        self.groups = [ready for ready in self.groups if ready not in dropped]
        for call_id in gone:
            self.long_answers.pop(call_id, None)
            self.lanes.pop(call_id, None)
        return dropped
