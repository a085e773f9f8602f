"""What waits, with all indexes kept in step: the one place that changes them."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from esper.mempool.departures import Departure, DropMemory, Dropped, Outline
from esper.mempool.expiries import Expiries
from esper.mempool.incoming import Incoming
from esper.mempool.lines.sender_line import SenderLine
from esper.mempool.policy import MempoolPolicy
from esper.mempool.room import Room
from esper.mempool.waiting import Waiting
from esper.primitives.ids import Txid
from esper.primitives.params import NetworkParameters
from esper.vm.records import account_path
from esper.vm.transaction import Transaction

PREFIX_BYTES: Final = 16
"""Of a wtxid, by which the network names transactions."""


class Contents:
    """Lines by sender, and what can be found without looking through them."""

    def __init__(self, params: NetworkParameters, policy: MempoolPolicy) -> None:
        self._params = params
        self._policy = policy
        self.lines: dict[bytes, SenderLine] = {}
        """By sender; a sender without transactions is absent. Changed by ``set_line`` alone."""
        self.by_txid: dict[Txid, Waiting] = {}
        """Everything that waits."""
        self.by_prefix: dict[bytes, Waiting] = {}
        """Everything that waits, by the beginning of its wtxid."""
        self.calls: dict[Txid, Waiting] = {}
        """The calls among it, by txid, in order of arrival."""
        self.fee_room = Room(policy.fee_bytes, policy, calls=False)
        """What transactions with a fee take."""
        self.call_room = Room(policy.call_bytes, policy, calls=True)
        """What calls take."""
        self.incoming = Incoming(params)
        """What is coming to whom."""
        self.expiries = Expiries()
        """What expires when."""
        self.drops = DropMemory(policy.remembered_drops)
        """Why others are gone."""
        self._credit_users: Counter[bytes] = Counter()
        self._sender_at: dict[bytes, bytes] = {}

    def count_by(self, params: NetworkParameters) -> None:
        """Count what is brought to whom by the parameters in force; all anew if they moved."""
        if self.incoming.params != params:
            self.incoming = Incoming(params)
            for waiting in self.by_txid.values():
                self.incoming.add(waiting.transaction)

    def copy(self) -> "Contents":
        """Another of the same contents, which changes by itself; some milliseconds for thousands.

        The lines are shared: they are replaced, never changed.
        """
        copied = Contents(self._params, self._policy)
        copied.lines = self.lines.copy()
        copied.by_txid = self.by_txid.copy()
        copied.by_prefix = self.by_prefix.copy()
        copied.calls = self.calls.copy()
        copied.fee_room = self.fee_room.copy()
        copied.call_room = self.call_room.copy()
        copied.incoming = self.incoming.copy()
        copied.expiries = self.expiries.copy()
        copied.drops = self.drops.copy()
        copied._credit_users = self._credit_users.copy()
        copied._sender_at = self._sender_at.copy()
        return copied

    def sender_at(self, path: bytes) -> bytes | None:
        """Who of the senders has its account at a path of the state."""
        return self._sender_at.get(path)

    @property
    def credit_users(self) -> list[bytes]:
        """Senders of calls and credit transfers."""
        return list(self._credit_users)

    @property
    def rooms(self) -> tuple[Room, Room]:
        """Both."""
        return self.fee_room, self.call_room

    def room_of(self, waiting: Waiting) -> Room:
        """The pool that a transaction belongs into."""
        return self.call_room if waiting.is_call else self.fee_room

    def set_line(self, sender: bytes, line: SenderLine | None) -> None:
        """Replace what waits of a sender; None or an empty line: nothing does."""
        before = {waiting.txid: waiting for waiting in self.lines.get(sender, ())}
        after = {waiting.txid: waiting for waiting in line or ()}
        for txid, waiting in before.items():
            if txid not in after:
                self._forget(txid, waiting)
        for txid, waiting in after.items():
            if txid not in before:
                self._remember(txid, waiting)
        if line is not None and after:
            if sender not in self.lines:
                self._sender_at[account_path(sender)] = sender
            self.lines[sender] = line
        elif self.lines.pop(sender, None) is not None:
            del self._sender_at[account_path(sender)]
        for room in self.rooms:
            room.changed(sender, self.lines.get(sender))

    def drop(
        self,
        dropped: Iterable[tuple[Waiting, Exception | str]],
        why: Departure = Departure.DROPPED,
        replaced_by: Txid | None = None,
    ) -> list[Dropped]:
        """Remember why transactions left; they are out of their lines already."""
        entries = [
            Dropped(
                waiting.txid,
                str(reason),
                why,
                _rule_of(reason),
                Outline.of(waiting.transaction),
                replaced_by,
            )
            for waiting, reason in dropped
        ]
        for entry in entries:
            self.drops.add(entry)
        return entries

    def _remember(self, txid: Txid, waiting: Waiting) -> None:
        self.by_txid[txid] = waiting
        self.by_prefix[_prefix(waiting)] = waiting
        if waiting.is_call:
            self.calls[txid] = waiting
        self.room_of(waiting).take(waiting)
        transaction = waiting.transaction
        self.incoming.add(transaction)
        self.expiries.add(transaction)
        self.drops.forget(txid)
        self._count_credit_use(transaction, 1)

    def _forget(self, txid: Txid, waiting: Waiting) -> None:
        del self.by_txid[txid]
        # Two of one prefix are no accident, and not worth a list.
        if self.by_prefix.get(_prefix(waiting)) is waiting:
            del self.by_prefix[_prefix(waiting)]
        self.calls.pop(txid, None)
        self.room_of(waiting).free(waiting)
        transaction = waiting.transaction
        self.incoming.remove(transaction)
        self.expiries.remove(transaction)
        self._count_credit_use(transaction, -1)

    def _count_credit_use(self, transaction: Transaction, change: int) -> None:
        if transaction.payload.credits_needed:
            self._credit_users[transaction.sender] += change
            if not self._credit_users[transaction.sender]:
                del self._credit_users[transaction.sender]


def _prefix(waiting: Waiting) -> bytes:
    return waiting.transaction.wtxid[:PREFIX_BYTES]


def _rule_of(reason: Exception | str) -> str | None:
    return type(reason).__name__ if isinstance(reason, Exception) else None
