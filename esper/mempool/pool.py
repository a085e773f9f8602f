"""The mempool: transactions that wait for a block. Policy, not consensus: other nodes may differ.

It sees the state through a view and the time as an argument. Every transaction in it was valid on
the state that it saw last, behind those of the same sender, and its signature was checked.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from esper.consensus.context import ChainContext
from esper.mempool.admission_rules import check_by_itself
from esper.mempool.call_queue import CallBudget, CallChooser, position
from esper.mempool.chain_change import after_chain_change
from esper.mempool.contents import Contents
from esper.mempool.departures import Departure, Dropped
from esper.mempool.errors import MempoolFullError, NonceWaitsError, PolicyError
from esper.mempool.lines.next_block import NextBlock
from esper.mempool.lines.placement import placed
from esper.mempool.lines.projection import Projection
from esper.mempool.lines.replacement import ReplacementCount, check_outbids
from esper.mempool.lines.sender_line import SenderLine, arranged
from esper.mempool.policy import DEFAULT_POLICY, MempoolPolicy
from esper.mempool.room import Room, Victims
from esper.mempool.selection import selected
from esper.mempool.statistics import Statistics
from esper.mempool.waiting import RATE_BYTES, Waiting
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters, NetworkParameters
from esper.vm.envelope_rules import check_signature
from esper.vm.transaction import Transaction
from esper.vm.view import StateView

_REPLACED_AGAIN = "Replaced"
_EVICTED = "it paid too little to stay in a full mempool; send it again with a higher fee or price"


@dataclass(frozen=True, slots=True)
class Admission:
    """A transaction waits."""

    replaced: Txid | None = None
    """64 bytes: txid of the one whose place it took."""
    gone: tuple[Dropped, ...] = ()
    """What had to leave for it, and why: the one that it replaced, and others."""

    @property
    def evicted(self) -> tuple[Txid, ...]:
        """Txids of the others."""
        return tuple(one.txid for one in self.gone if one.txid != self.replaced)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a sender's waiting transactions spend."""

    units: int = 0
    """Amounts and fees."""
    micro_credits: int = 0
    """Given away, or held for the longest answers of calls."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mempool that agrees with a new tip, to be put in the place of the one before."""

    contents: Contents
    """What waits then."""
    next_block: NextBlock
    """The block after the new tip."""
    dropped: tuple[Dropped, ...]
    """What leaves without being in a block."""

    def __contains__(self, txid: Txid) -> bool:
        """Whether a transaction waits then."""
        return txid in self.contents.by_txid

    @property
    def counted_bytes(self) -> int:
        """Bytes that it counts then."""
        return sum(room.bytes for room in self.contents.rooms)

    def kept(self) -> Iterator[tuple[Transaction, int, int]]:
        """Everything with its arrival height and time, as ``restore`` takes it."""
        for waiting in self.contents.by_txid.values():
            yield waiting.transaction, waiting.arrival_height, waiting.arrived_ms


class Mempool:
    """One node's waiting transactions. Not safe for threads: it belongs to one task."""

    def __init__(self, params: NetworkParameters, policy: MempoolPolicy = DEFAULT_POLICY) -> None:
        self._params = params
        self._policy = policy
        self._contents = Contents(params, policy)
        self._replacements = ReplacementCount(policy.replacements_per_hour)
        self._next: NextBlock | None = None
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._contents.by_txid)

    def __contains__(self, txid: Txid) -> bool:
        return txid in self._contents.by_txid

    def add(
        self,
        transaction: Transaction,
        view: StateView,
        chain: ChainContext,
        *,
        now_ms: int,
        replaces: Collection[Txid] | None = None,
    ) -> Admission:
        """Take a decoded transaction in; ``view`` is the state at ``chain``'s tip.

        One that waits already stays as it is. ``replaces`` are the only ones whose place it may
        take, None: any. Raises a TransactionViolation, or a PolicyError whose ``retry`` says
        whether the same transaction may be taken later; the mempool then holds what it held before.
        """
        self._check_may_replace(transaction, replaces)
        arriving = self._arriving(transaction, chain.height, now_ms)
        return self._add(arriving, view, chain, now_ms)

    def restore(
        self,
        kept: Iterable[tuple[Transaction, int, int]],
        view: StateView,
        chain: ChainContext,
        *,
        now_ms: int,
    ) -> dict[Txid, str]:
        """Take in what an earlier run kept: transaction, arrival height, arrival time.

        Returns what was left out, or had to leave for another of them: by txid the name of the rule
        or refusal.
        """
        left_out: dict[Txid, str] = {}
        arrived = [self._arriving(*one) for one in sorted(kept, key=lambda one: one[2])]
        # Whatever came first then, no line may begin with a gap now.
        for waiting in sorted(arrived, key=lambda one: one.nonce):
            try:
                admission = self._add(waiting, view, chain, now_ms, counted=False)
            except (TransactionViolation, PolicyError) as refusal:
                left_out[waiting.txid] = refusal.rule
                continue
            if admission.replaced is not None:
                left_out[admission.replaced] = _REPLACED_AGAIN
            left_out.update(dict.fromkeys(admission.evicted, MempoolFullError.__name__))
        return left_out

    def prepared(
        self,
        view: StateView,
        chain: ChainContext,
        *,
        included: Iterable[Txid] = (),
        returned: Iterable[Transaction] = (),
        touched: Iterable[bytes] | None = None,
        now_ms: int,
    ) -> Prepared:
        """What a new tip does to the mempool, which stays as it is until ``put_in_place``.

        May run in another thread while this one reads; nothing may be added meanwhile. ``view`` is
        the state at ``chain``'s tip. ``included`` are the txids of the new blocks, ``returned`` the
        transactions of blocks that are no longer in the chain, ``touched`` the state paths of
        accounts that may be poorer than at the last tip; None: any may. Costs a copy of the indexes
        and as much as the touched senders and what expires, whatever else waits; in the first block
        of a credit epoch all callers count as touched.
        """
        contents, now = self._contents.copy(), NextBlock(view, chain)
        limits = now.context.params.limits
        arrivals = [self._arriving(one, chain.height, now_ms) for one in returned]
        dropped = after_chain_change(
            contents,
            self._policy,
            limits,
            before=self._next,
            now=now,
            included=included,
            returned=arrivals,
            touched=touched,
        )
        for room in contents.rooms:
            found = room.victims(room.bytes - room.limit, None, None, contents.lines)
            if found is not None:
                dropped += _evict(contents, found, room, now_ms)
        return Prepared(contents, now, tuple(dropped))

    def put_in_place(self, prepared: Prepared) -> None:
        """Agree with a new tip from now on."""
        self._contents, self._next = prepared.contents, prepared.next_block

    def select(self, height: int, budget: CallBudget) -> Iterator[Transaction]:
        """What the block at ``height`` takes, the first first. Every prefix is valid.

        What comes in or leaves after the start makes no difference to an order that has begun.
        """
        lines = list(self._contents.lines.values())
        chosen = selected(lines, height, CallChooser(height, budget))
        return (waiting.transaction for waiting in chosen)

    def get(self, txid: Txid) -> Transaction | None:
        """The transaction of this txid, None if it does not wait."""
        found = self._contents.by_txid.get(txid)
        return found.transaction if found is not None else None

    def by_prefix(self, prefix: bytes) -> bytes | None:
        """The bytes of what waits whose wtxid begins with these 16 bytes, None if nothing does."""
        found = self._contents.by_prefix.get(prefix)
        return found.transaction.to_bytes() if found is not None else None

    def arrival_height(self, txid: Txid) -> int | None:
        """Height of the tip when it came, None if it does not wait."""
        found = self._contents.by_txid.get(txid)
        return found.arrival_height if found is not None else None

    def pending_of(self, sender: bytes) -> tuple[Transaction, ...]:
        """A sender's unbroken line."""
        line = self._contents.lines.get(sender)
        return tuple(waiting.transaction for waiting in line.ready) if line is not None else ()

    def next_nonce(self, sender: bytes, account_nonce: int) -> int:
        """The nonce after a sender's unbroken line; the account's if nothing waits."""
        line = self._contents.lines.get(sender)
        ready = line.ready if line is not None else []
        return max(account_nonce, ready[-1].nonce + 1) if ready else account_nonce

    def spent_by(self, sender: bytes) -> Spent:
        """What a sender's waiting transactions spend, those beyond a gap included."""
        own = [waiting.transaction for waiting in self._contents.lines.get(sender, ())]
        return Spent(
            sum(one.payload.outlay + one.fee for one in own),
            sum(one.payload.credits_needed for one in own),
        )

    def received_by(self, address: bytes) -> int:
        """Units that waiting transfers bring to an address."""
        return self._contents.incoming.units(address)

    def calls(self) -> tuple[Transaction, ...]:
        """All calls, in order of arrival."""
        return tuple(waiting.transaction for waiting in self._contents.calls.values())

    def call_position(self, txid: Txid, height: int) -> int | None:
        """How many calls offer more for the block at ``height``; None if it is none that waits."""
        calls = self._contents.calls
        return position(calls[txid], calls.values(), height) if txid in calls else None

    def dropped_reason(self, txid: Txid) -> str | None:
        """Why a transaction was dropped lately, None if it was not."""
        return self._contents.drops.reason(txid)

    def dropped(self, txid: Txid) -> Dropped | None:
        """What is remembered of a transaction that was dropped lately, None if it was not."""
        return self._contents.drops.get(txid)

    def txids_with(self, prefix: str) -> list[Txid]:
        """Of what waits or was dropped lately, those whose hex begins with ``prefix``."""
        known = (*self._contents.by_txid, *self._contents.drops.txids())
        whole = bytes.fromhex(prefix[: len(prefix) & ~1])
        return [txid for txid in known if txid.startswith(whole) and txid.hex().startswith(prefix)]

    def kept(self) -> Iterator[tuple[Transaction, int, int]]:
        """Everything with its arrival height and time, as ``restore`` takes it."""
        for waiting in list(self._contents.by_txid.values()):
            yield waiting.transaction, waiting.arrival_height, waiting.arrived_ms

    def minimum_fee_per_byte(self, now_ms: int) -> Decimal:
        """Units, three places: what a newcomer has to pay at least, the base fee apart."""
        least = Decimal(self._contents.fee_room.least_rate(now_ms)) / RATE_BYTES
        return max(least, Decimal(self._limits.fee_per_byte))

    def statistics(self) -> Statistics:
        """The mempool in numbers."""
        contents = self._contents
        return Statistics(
            transactions=len(contents.by_txid),
            calls=len(contents.calls),
            aside=sum(len(line.aside) for line in contents.lines.values()),
            senders=len(contents.lines),
            fee_bytes=contents.fee_room.bytes,
            fee_limit=contents.fee_room.limit,
            call_bytes=contents.call_room.bytes,
            call_limit=contents.call_room.limit,
        )

    @property
    def params(self) -> NetworkParameters:
        """Those in force for the next block, as votes have moved them."""
        return self._params if self._next is None else self._next.context.params

    @property
    def _limits(self) -> LimitParameters:
        return self.params.limits

    @property
    def _height(self) -> int:
        return self._next.height if self._next is not None else 0

    def _check_may_replace(self, new: Transaction, replaces: Collection[Txid] | None) -> None:
        """Raises NonceWaitsError if another waits with the nonce whose place it may not take."""
        line = self._contents.lines.get(new.sender)
        old = line.at(new.nonce) if line is not None else None
        if old is None or replaces is None or old.txid == new.txid:
            return
        if old.txid not in replaces:
            raise NonceWaitsError(new.nonce, old.txid)

    def _arriving(self, transaction: Transaction, height: int, arrived_ms: int) -> Waiting:
        self._arrivals += 1
        return Waiting.of(transaction, height, arrived_ms, self._arrivals)

    def _add(
        self,
        new: Waiting,
        view: StateView,
        chain: ChainContext,
        now_ms: int,
        *,
        counted: bool = True,
    ) -> Admission:
        """``counted``: replacements count, and the rate that evictions left is asked for."""
        transaction, contents = new.transaction, self._contents
        if new.txid in contents.by_txid:
            return Admission()
        if self._next is None or not self._next.stands_on(view, chain):
            self._next = NextBlock(view, chain)
            contents.count_by(self._next.context.params)
        room, sender = contents.room_of(new), transaction.sender
        check_by_itself(
            transaction,
            self._limits,
            height=self._next.height,
            early_blocks=self._policy.early_blocks,
            least_rate=room.least_rate(now_ms) if counted else 0,
        )
        line, dropped = self._line(sender, self._next)
        old = line.at(new.nonce)
        if old is not None:
            check_outbids(transaction, old.transaction, self._limits, self._policy)
            if counted:
                self._replacements.check(sender, now_ms)
        placement = placed(new, line, self._next, self._policy)
        victims = self._victims(room, line, placement.line, sender, now_ms)
        # The dearest check comes last: whoever gets so far has an account that can pay.
        check_signature(transaction, placement.claim)

        if placement.continues:
            line.projection.apply(transaction, self._next)
        contents.set_line(sender, placement.line)
        dropped += contents.drop(placement.dropped)
        if old is not None:
            if counted:
                self._replacements.add(sender, now_ms)
            left = [(old, "its sender replaced it by another")]
            dropped += contents.drop(left, Departure.REPLACED, new.txid)
        dropped += _evict(contents, victims, room, now_ms)
        replaced = old.txid if old is not None else None
        return Admission(replaced, tuple(dropped))

    def _line(self, sender: bytes, next_block: NextBlock) -> tuple[SenderLine, list[Dropped]]:
        """A sender's line on the state of the next block, and what that cost it."""
        line = self._contents.lines.get(sender)
        if line is None:
            return SenderLine(Projection(sender, next_block)), []
        if line.projection.tip_id == next_block.tip_id:
            return line, []
        arrangement = arranged(sender, line, next_block, self._policy)
        self._contents.set_line(sender, arrangement.line)
        return arrangement.line, self._contents.drop(arrangement.dropped)

    def _victims(
        self, room: Room, line: SenderLine, after: SenderLine, sender: bytes, now_ms: int
    ) -> Victims:
        """Who leaves for the new line. Raises MempoolFullError if nobody is worth less."""
        growth = room.taken_by(after) - room.taken_by(line)
        worth = room.worth(after) or 0
        found = room.victims(room.bytes + growth - room.limit, worth, sender, self._contents.lines)
        if found is None:
            needed = max(room.least() + 1, room.least_rate(now_ms))
            raise MempoolFullError(worth, needed, room is self._contents.call_room)
        return found


def _evict(contents: Contents, victims: Victims, room: Room, now_ms: int) -> list[Dropped]:
    if not victims.leaving:
        return []
    room.floor.rise_above(victims.worth, now_ms)
    gone = {waiting.txid for waiting in victims.leaving}
    for sender in dict.fromkeys(one.transaction.sender for one in victims.leaving):
        # What is left of a line is valid as it was; who comes next has it counted again.
        line = contents.lines[sender]
        line.projection.outdate()
        ready = [one for one in line.ready if one.txid not in gone]
        aside = [one for one in line.aside if one.txid not in gone]
        contents.set_line(sender, SenderLine(line.projection, ready, aside))
    leaving = ((one, _EVICTED) for one in victims.leaving)
    return contents.drop(leaving, Departure.EVICTED)
