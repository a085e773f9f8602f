"""What a block of the chain does to the history index. Pure: the block was checked before.

| transaction | events |
|---|---|
| Transfer | SENT of the sum; RECEIVED by each receiver, its outputs summed |
| Stake, Unstake | STAKED, UNSTAKED |
| CreditTransfer | CREDITS_SENT; CREDITS_RECEIVED |
| LlmCall | CALLED: burned if its answer is in the block, otherwise locked |
| LlmResult | ANSWERED, of the caller: what comes back; ANSWERED of nothing, of who sent it |
| Propose, Vote, Delegate, Prove | PROPOSED of the bond, VOTED, DELEGATED to whom, PROVED |
| Claim | CLAIMED: the bond |
| coinbase | MINED |
| Prove with evidence | PROVED; PENALTY_PAID, of the accuser; PENALTY_TAKEN, of the gateway |
| none: the block settles a proposal | BOND_RETURNED, BOND_BURNED, under the proposal's txid |
| any other kind | units and credits that it moves as above; OTHER for units that go elsewhere |

The fee stands with the event of who signed, so the units of an address are the sum of its events.
What burns of a bond left the address when it was PROPOSED. What PENALTY_TAKEN names was not in the
balance: it is of the stake, or of units that were MINED or UNSTAKED and never come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from esper.consensus.block import BODY, Coinbase, decode_coinbase
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_groups import encode_result
from esper.node.chain.told_beside import NOTHING_TOLD, ToldBeside
from esper.node.chain.trace_entries import settled_trace, trace_of
from esper.primitives.codec import Codec, Reader
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters
from esper.storage.history.history_records import NO_TXID, CallMade, Entry, Happening, What
from esper.vm.governance.claim import Claim
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.governance.vote import Vote
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.receipt import Receipt
from esper.vm.settled_bond import SettledBond
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.unstake import Unstake

FindCall = Callable[[Txid], CallMade]
"""The open call of earlier blocks with this txid."""

_DOES: Final[dict[type[Payload], What]] = {
    Propose: What.PROPOSED,
    Claim: What.CLAIMED,
    Vote: What.VOTED,
    Delegate: What.DELEGATED,
    Prove: What.PROVED,
}
_OPEN: Final = encode_result(None)
_LISTS: Final[dict[str, Codec[tuple[bytes, ...]]]] = {
    name: codec for name, codec in BODY.fields if name in ("transactions", "results")
}


def entries_of(
    content: BlockContent,
    receipts: Sequence[Receipt],
    find_call: FindCall,
    height: int,
    told: ToldBeside = NOTHING_TOLD,
) -> list[Entry]:
    """The entries of a block that was read, the coinbase's last, behind what was ``told``.

    ``height`` is its own, ``receipts`` are those of its execution, one for each transaction but the
    coinbase. Raises ValueError for another number of receipts, and what ``find_call`` raises.
    """
    inline = [answer is not None for answer in content.answers]
    return _entries(
        content.transactions, inline, content.coinbase, receipts, find_call, height, told
    )


def block_entries(
    body: bytes,
    receipts: Sequence[Receipt],
    limits: LimitParameters,
    find_call: FindCall,
    height: int,
    told: ToldBeside = NOTHING_TOLD,
) -> list[Entry]:
    """The same from the canonical body of a block.

    Raises CodecError or a TransactionViolation for other bytes, and what ``entries_of`` raises.
    """
    lists, results = _lists(body)
    transactions = [decode_transaction(data, limits.transaction_bytes) for data in lists[:-1]]
    inline = [result != _OPEN for result in results]
    coinbase = decode_coinbase(lists[-1])
    return _entries(transactions, inline, coinbase, receipts, find_call, height, told)


def _entries(
    transactions: Sequence[Transaction],
    inline: Sequence[bool],
    coinbase: Coinbase,
    receipts: Sequence[Receipt],
    find_call: FindCall,
    height: int,
    told: ToldBeside,
) -> list[Entry]:
    penalties = {one.txid: one for one in told.penalties}
    reading = _Reading(inline, find_call, {}, height, penalties)
    entries = [
        reading.entry(transaction.payload, receipt)
        for transaction, receipt in zip(transactions, receipts, strict=True)
    ]
    mined = Happening(coinbase.payee, What.MINED, coinbase.amount)
    endings = [_ending(one, height) for one in told.settled]
    outcomes = [Entry(NO_TXID, (), outcome=one) for one in told.rounds]
    return [*entries, *endings, *outcomes, Entry(NO_TXID, (mined,))]


def _ending(one: SettledBond, height: int) -> Entry:
    """What became of a proposal's coins."""
    parts = ((What.BOND_RETURNED, one.returned), (What.BOND_BURNED, one.burned))
    told = tuple(Happening(one.proposer, what, amount) for what, amount in parts if amount)
    return Entry(NO_TXID, told, about=one.proposal, trace=settled_trace(one, height))


def _taken(one: TakenPenalty) -> tuple[Happening, ...]:
    """What evidence did to both sides."""
    paid = Happening(one.accuser, What.PENALTY_PAID, one.paid, other=one.gateway)
    taken = Happening(one.gateway, What.PENALTY_TAKEN, one.taken, other=one.accuser)
    # Half of a single unit is nothing.
    return (paid, taken) if one.paid else (taken,)


def _lists(body: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Transactions and results. The outputs behind them are most of an empty block: left unread."""
    reader = Reader(body)
    reader.array_length("body")
    reader.unsigned("body.version")
    transactions = _LISTS["transactions"].read(reader, "body.transactions")
    return transactions, _LISTS["results"].read(reader, "body.results")


@dataclass(slots=True)
class _Reading:
    """A block while its transactions are read in order."""

    inline: Sequence[bool]
    """Of each call of the block, whether its answer is in it."""
    find_call: FindCall
    """Finds calls of earlier blocks."""
    calls: dict[Txid, CallMade]
    """Calls of this block so far, by txid."""
    height: int
    """Of the block."""
    penalties: Mapping[Txid, TakenPenalty] = field(default_factory=dict)
    """What evidence took, by the txid of its transaction."""

    def entry(self, payload: Payload, receipt: Receipt) -> Entry:
        """The entry of a transaction."""
        sender, fee = receipt.sender, receipt.fee
        call, answers = None, NO_TXID
        happenings: tuple[Happening, ...]
        match payload:
            case Stake():
                happenings = (Happening(sender, What.STAKED, payload.amount, fee),)
            case Unstake():
                happenings = (Happening(sender, What.UNSTAKED, payload.amount, fee),)
            case LlmCall():
                call = self._call(receipt)
                happenings = (Happening(sender, What.CALLED, call.amount, fee),)
            case LlmResult():
                answers = payload.call_id
                happenings = self._answer(answers, receipt)
            case _:
                happenings = _moved(payload, sender, fee)
        trace = trace_of(payload, receipt.txid, sender, self.height)
        penalty = self.penalties.get(receipt.txid)
        if penalty is not None:
            happenings += _taken(penalty)
        return Entry(receipt.txid, happenings, call, answers, trace=trace, penalty=penalty)

    def _call(self, receipt: Receipt) -> CallMade:
        number = len(self.calls)
        inline = self.inline[number]
        amount = receipt.burned if inline else receipt.locked
        call = CallMade(receipt.sender, number, int(inline), amount)
        self.calls[receipt.txid] = call
        return call

    def _answer(self, call_id: Txid, receipt: Receipt) -> tuple[Happening, ...]:
        call = self.calls.get(call_id) or self.find_call(call_id)
        sender, caller = receipt.sender, call.caller
        back = Happening(caller, What.ANSWERED, call.amount - receipt.burned, other=sender)
        if caller == sender:
            return (replace(back, fee=receipt.fee),)
        return Happening(sender, What.ANSWERED, 0, receipt.fee, caller), back


def waiting_happenings(transaction: Transaction) -> tuple[Happening, ...]:
    """What a transaction that waits would do; a call with its longest answer."""
    payload, sender, fee = transaction.payload, transaction.sender, transaction.fee
    match payload:
        case Stake():
            return (Happening(sender, What.STAKED, payload.amount, fee),)
        case Unstake():
            return (Happening(sender, What.UNSTAKED, payload.amount, fee),)
        case LlmCall():
            return (Happening(sender, What.CALLED, payload.reserve, fee),)
    return _moved(payload, sender, fee)


def _moved(payload: Payload, sender: bytes, fee: int) -> tuple[Happening, ...]:
    """Units and credits as any payload says that it moves them; what else it does, or OTHER."""
    events = [
        *_from_to(payload.payments, sender, What.SENT, What.RECEIVED),
        *_from_to(payload.gifts, sender, What.CREDITS_SENT, What.CREDITS_RECEIVED),
    ]
    elsewhere = payload.outlay - sum(output.amount for output in payload.payments)
    if elsewhere or not events:
        what, other = _DOES.get(type(payload), What.OTHER), b""
        if isinstance(payload, Delegate):
            other = payload.to
        events.insert(0, Happening(sender, what, elsewhere, other=other))
    events[0] = replace(events[0], fee=fee)
    return tuple(events)


def _from_to(outputs: Sequence[Output], sender: bytes, sent: What, got: What) -> list[Happening]:
    """One event of the sender, and one of each receiver."""
    received: dict[bytes, int] = {}
    for output in outputs:
        received[output.receiver] = received.get(output.receiver, 0) + output.amount
    if not received:
        return []
    other = next(iter(received)) if len(received) == 1 else b""
    return [
        Happening(sender, sent, sum(received.values()), other=other),
        *(Happening(receiver, got, amount, other=sender) for receiver, amount in received.items()),
    ]
