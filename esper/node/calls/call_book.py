"""Where the calls of this node's miner stand: the state that desk, mempool and RPC share.

    mempool ─ works_for, settled ─▶ CallBook ◀─ everything else ─ desk
                                       ▲
                                  RPC ─┴─ state

It is made before all of them and handed to each, so that a call that left the mempool is known to
nobody any more in the same moment. It belongs to the event loop. A node that does not mine has an
empty one.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from esper.node.calls.ready_calls import ReadyCalls
from esper.node.workers.call_answerer import AnsweredCall
from esper.primitives.ids import ModelId, Txid
from esper.vm.ledger import Ledger


@dataclass(frozen=True, slots=True)
class CallState:
    """Where a call stands at the desk."""

    status: str
    """answering, proving, proven or declined."""
    answered: AnsweredCall | None
    """What the model said, if it has."""


class CallsWorkedFor(Protocol):
    """What a mempool asks and tells of calls that somebody works for. Calls are named by txid."""

    def works_for(self, call_id: Txid) -> bool:
        """Whether a call may not be replaced any more, for work on it would be lost."""

    def settled(self, call_ids: Iterable[Txid]) -> None:
        """Transactions, calls among them, are in the chain or will never be."""


class CallBook:
    """Calls on their way from the mempool to a block, by txid."""

    def __init__(self) -> None:
        self.ready = ReadyCalls()
        """What the next template may take."""
        self.answering: set[Txid] = set()
        """At the model now."""
        self.unproven: dict[Txid, AnsweredCall] = {}
        """Answered, to be proven in a group."""
        self.opened: dict[Txid, AnsweredCall] = {}
        """Long answers whose calls are in the chain."""
        self.declined: set[Txid] = set()
        """Left to others."""

    def state(self, call_id: Txid) -> CallState | None:
        """Where a call stands, None if it is not at the desk."""
        inline = self.ready.inline().get(call_id)
        if inline is not None:
            said = next(call for call in inline.calls if call.call_id == call_id)
            return CallState("proven", said)
        if call_id in self.ready.lanes:
            return CallState("proven", self.ready.lanes[call_id].answered)
        for answered in (self.ready.long_answers, self.opened, self.unproven):
            if call_id in answered:
                return CallState("proving", answered[call_id])
        if call_id in self.declined:
            return CallState("declined", None)
        return CallState("answering", None) if call_id in self.answering else None

    def works_for(self, call_id: Txid) -> bool:
        """Whether a call is answered or proven here, or was and waits for its block."""
        state = self.state(call_id)
        return state is not None and state.status != "declined"

    def settled(self, call_ids: Iterable[Txid]) -> None:
        """Forget calls that are in the chain, or will never be.

        Calls that shared a group with one of them keep their answers and are proven again.
        """
        gone = set(call_ids)
        for call_id in gone:
            self.unproven.pop(call_id, None)
            self.answering.discard(call_id)
            self.declined.discard(call_id)
            if call_id in self.ready.long_answers:
                # If it is in the chain now, its lane is to be answered next.
                self.opened[call_id] = self.ready.long_answers[call_id]
        for group in self.ready.forget(gone):
            self.keep_unproven(call for call in group.calls if call.call_id not in gone)

    def forget_closed(self, ledger: Ledger) -> None:
        """Forget the lanes that have their result, or lapsed, as of the state behind ``ledger``."""
        for call_id in (*self.ready.lanes, *self.opened):
            if ledger.lane(call_id) is None:
                self.ready.lanes.pop(call_id, None)
                self.opened.pop(call_id, None)

    def forget_models(self, callable_now: Collection[ModelId]) -> None:
        """Forget answers to calls that no block may hold any more, for their model changed.

        Lanes stay: they are answered by whoever may be mined.
        """
        self.ready.groups[:] = [
            group for group in self.ready.groups if group.group.model_id in callable_now
        ]
        for kept in (self.unproven, self.ready.long_answers):
            for call_id in [one for one in kept if kept[one].call.model_id not in callable_now]:
                del kept[call_id]

    def prove_again(self) -> None:
        """Let every group go; its calls keep their answers."""
        for group in self.ready.groups:
            self.keep_unproven(group.calls)
        self.ready.groups.clear()

    def keep_unproven(self, calls: Iterable[AnsweredCall]) -> None:
        """These have answers and are to be proven in a group."""
        self.unproven.update({call.call_id: call for call in calls})
