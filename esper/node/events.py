"""What happens in a node, as values that anybody may listen to: tip, mempool, calls, mining.

    chain, mempool, desk, miner ─ publish ─▶ Events ─ a bounded channel each ─▶ subscribers

Whoever publishes never waits and nothing grows without bound: a subscriber that does not keep up
loses what comes while its channel is full, from there on until it has taken everything that lay in
it. Then it is told once, with ``Missed``, how many events it lost; what it asks the node from then
on is newer than all of them. Whoever takes an event sees a node that has had it.

What must agree with the chain at once, such as the calls that are worked for, is not told by
events: see ``CallBook`` and ``ChainFollower``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import trio

from esper.mempool.departures import Departure
from esper.primitives.ids import BlockId, Txid

ROOM: Final = 1_024
"""Events that wait for a subscriber who asks for no other number: those of several full blocks, and
at most 64 MiB of transactions, which the mempool holds as well."""


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """Something that happened. Its kinds are frozen, and complete without a look at the node."""


@dataclass(frozen=True, slots=True)
class TipMoved(NodeEvent):
    """The chain has another tip, and everybody in the node agrees with it.

    Told after what the change did to transactions.
    """

    tip_id: BlockId
    """64 bytes: the new one."""
    height: int
    """Its height."""
    undone: tuple[BlockId, ...]
    """Ids of blocks that left the chain, 64 bytes each, the old tip first."""
    applied: tuple[BlockId, ...]
    """Ids of blocks that joined it, 64 bytes each, the new tip last."""


@dataclass(frozen=True, slots=True)
class TransactionAdmitted(NodeEvent):
    """A transaction waits: it was sent, or a block that held it left the chain."""

    txid: Txid
    """64 bytes."""
    data: bytes
    """Its wire form."""
    replaced: Txid | None
    """64 bytes: txid of the one whose place it took. That one is told of by itself as well."""
    evicted: tuple[Txid, ...]
    """Txids, 64 bytes each, of the others that had to leave for it. Each is told of by itself."""


@dataclass(frozen=True, slots=True)
class TransactionGone(NodeEvent):
    """A transaction waits no more. Of blocks all are told of, also those that never waited here."""

    txid: Txid
    """64 bytes."""
    why: Departure
    """What became of it."""
    rule: str | None = None
    """Class name of the rule or refusal that it was dropped for; None where there is none."""
    reason: str | None = None
    """A sentence for people; None if a block has it."""


@dataclass(frozen=True, slots=True)
class CallAnswered(NodeEvent):
    """The model answered a call that waits; nothing is proven yet."""

    call_id: Txid
    """64 bytes: txid of the call."""
    answer: tuple[int, ...]
    """Token ids."""
    kept: bool
    """Whether it will be proven here; else the call is left to others, for its long answer cannot
    be returned."""


@dataclass(frozen=True, slots=True)
class CallReady(NodeEvent):
    """The answer of a call is proven and waits for a block."""

    call_id: Txid
    """64 bytes: txid of the call."""


@dataclass(frozen=True, slots=True)
class ProveHandedIn(NodeEvent):
    """A Prove was handed in: it waits for an own block, here alone.

    It came with its proof, or a payee elsewhere signed what this miner rehearsed.
    """

    txid: Txid
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class MiningTold(NodeEvent):
    """The miner does something else than before."""

    doing: str
    """A phrase for people."""
    searching: bool
    """Whether it may search: it is not paused, and blocks are wanted."""
    paused: bool
    """Whether a person stopped it."""


@dataclass(frozen=True, slots=True)
class MiningHeld(NodeEvent):
    """Blocks are wanted and none may come yet. Told again and again while it lasts."""

    why: str
    """A sentence for people."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The subscriber fell behind: look at the node again."""

    count: int
    """Events that it would have taken, at least 1, between the one before and whatever comes."""


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """One subscriber at one moment."""

    room: int
    """Events that may wait for it."""
    waiting: int
    """Events that do."""
    missed: int
    """Events that it lost and has not been told of yet; 0: it keeps up."""
    missed_ever: int
    """All that it lost."""


@dataclass(frozen=True, slots=True)
class EventsStatistics:
    """All of it at one moment."""

    published: int
    """Events since the start."""
    subscriptions: tuple[SubscriptionStatistics, ...]
    """Of those who listen, the oldest first."""


E = TypeVar("E", bound=NodeEvent)


class Subscription(trio.abc.ReceiveChannel[E | Missed], Generic[E]):
    """Events in the order in which they were published, for one task.

    Iteration ends when the node closes its events. Made by ``Events.subscribe``.
    """

    def __init__(self, kinds: tuple[type[E], ...], room: int) -> None:
        self._kinds = kinds
        self._send, self._receive = trio.open_memory_channel[Any](room)
        self._missed = self._missed_ever = 0

    async def receive(self) -> E | Missed:
        """The next event, or how many are missing before it.

        Raises trio.EndOfChannel after the last one.
        """
        if self._missed and not self._receive.statistics().current_buffer_used:
            await trio.lowlevel.checkpoint()
            missed, self._missed = self._missed, 0
            return Missed(missed)
        event: E = await self._receive.receive()
        return event

    async def aclose(self) -> None:
        """Take no more."""
        self._receive.close()
        await trio.lowlevel.checkpoint()

    def statistics(self) -> SubscriptionStatistics:
        """How it keeps up."""
        channel = self._receive.statistics()
        return SubscriptionStatistics(
            room=int(channel.max_buffer_size),
            waiting=channel.current_buffer_used,
            missed=self._missed,
            missed_ever=self._missed_ever,
        )

    def offer(self, event: NodeEvent) -> None:
        """Give it an event of its kinds, if it keeps up; ``Events`` does."""
        if not isinstance(event, self._kinds):
            return
        try:
            if not self._missed:
                self._send.send_nowait(event)
                return
        except trio.BrokenResourceError:
            # It listens no more, and its block is about to end.
            return
        except trio.WouldBlock:
            pass
        self._missed += 1
        self._missed_ever += 1

    def end(self) -> None:
        """No more will come; ``Events`` says so."""
        self._send.close()

    def leave(self) -> None:
        """Take no more, at once; ``Events`` does when the subscriber's block ends."""
        self._receive.close()


class Events:
    """What is published in one node, and to whom.

    Belongs to the event loop's thread: subscribe, publish and close there alone.
    """

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Any]] = []
        self._published = 0
        self._closed = False

    @contextmanager
    def subscribe(self, *kinds: type[E], room: int = ROOM) -> Iterator[Subscription[E]]:
        """Listen to events of these kinds within a ``with`` block; ``room`` of them may wait."""
        if not kinds or room < 1:
            raise ValueError("a subscription has at least one kind of event, and room for one")
        subscription = Subscription(kinds, room)
        if self._closed:
            subscription.end()
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            subscription.end()
            subscription.leave()

    def publish(self, event: NodeEvent) -> None:
        """Tell everybody who listens to such events; returns at once, whatever they do.

        Only on the event loop's thread, which others reach by ``trio.from_thread``: raises
        RuntimeError elsewhere.
        """
        trio.lowlevel.current_trio_token()
        self._published += 1
        if not self._closed:
            for subscription in self._subscriptions:
                subscription.offer(event)

    def close(self) -> None:
        """End everybody's iteration, behind the events that wait. The node closes."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end()

    def statistics(self) -> EventsStatistics:
        """How many were published, and who keeps up."""
        return EventsStatistics(
            self._published, tuple(one.statistics() for one in self._subscriptions)
        )
