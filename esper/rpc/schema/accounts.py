"""Accounts, their history, and what waits for them."""

from typing import Annotated

from msgspec import Meta

from esper.rpc.schema.common import AddressText, Amount, AsOf, Reply, Request


class AccountParams(Request, frozen=True):
    """An account by its address."""

    address: AddressText


class Release(Reply, frozen=True):
    """Units that become spendable at a height."""

    height: int
    amount: Amount
    index: int = 0
    """Of unstaked units: their number among all that is released there."""


class Credits(Reply, frozen=True):
    """Credits as the next block would see them, in micro-credits."""

    available: Amount
    lapsing: Amount
    """Part that lapses at ``lapse_height``."""
    lapse_height: int
    used: Amount
    """Used in this epoch."""
    rate_limit: Amount
    """May be used in this epoch in all."""
    spendable: Amount
    """What a call may cost now, calls that wait deducted: the least of credits and rate."""
    per_block: Amount
    """What the stake earns a block."""


class AccountReply(Reply, frozen=True):
    """What an address holds."""

    address: str
    balance: Amount
    """Confirmed and spendable."""
    pending_out: Amount
    """What waiting transactions spend, fees included."""
    pending_in: Amount
    """What waiting transactions bring."""
    immature: list[Release]
    stake: Amount
    unbonding: list[Release]
    nonce: int
    next_nonce: int
    """After the waiting transactions."""
    key_known: bool
    credits: Credits
    as_of: AsOf


class HistoryParams(Request, frozen=True):
    """The newest first; ``before`` is the ``cursor`` of the page before."""

    address: AddressText
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    before: Annotated[str, Meta(max_length=64)] | None = None


class Event(Reply, frozen=True):
    """Something that happened to an address in a block."""

    height: int
    time_ms: int
    txid: str
    """Empty for mined rewards."""
    what: str
    """mined, sent, received, staked, unstaked, credits-sent, credits-received, called, answered,
    proposed, claimed, voted, delegated, proved, bond-returned, bond-burned, penalty-taken,
    penalty-paid, other."""
    amount: Amount
    """Units, or micro-credits from credits-sent to answered."""
    fee: Amount
    other: str
    """Address on the other side, or empty."""
    prompt: str | None = None
    """Of ``called``: the text of the prompt, whole."""
    cursor: str = ""
    """``before`` of the events before this one, of whatever address."""


class PendingEvent(Reply, frozen=True):
    """What a transaction that waits will do to an address."""

    txid: str
    what: str
    """As of events."""
    amount: Amount
    """Units, or micro-credits; of a call those of its longest answer."""
    fee: Amount
    other: str
    """Address on the other side, or empty."""
    nonce: int
    expiry: int
    """Height after which it lapses."""


class Pending(Reply, frozen=True):
    """What waits and concerns an address."""

    events: list[PendingEvent]
    """At most 200: what it sent itself by nonce, then what comes to it, as it arrived."""
    as_of: AsOf


class History(Reply, frozen=True):
    """A page of events."""

    events: list[Event]
    cursor: str | None
    """For the next page, None on the last."""
    as_of: AsOf
