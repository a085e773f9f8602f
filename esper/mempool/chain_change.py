"""What a new tip does to what waits. Only the lines that it may concern are put in order anew."""

from collections.abc import Iterable

from esper.mempool.contents import Contents
from esper.mempool.departures import Departure, Dropped
from esper.mempool.errors import PolicyError
from esper.mempool.lines.next_block import NextBlock
from esper.mempool.lines.replacement import check_outbids
from esper.mempool.lines.sender_line import arranged
from esper.mempool.policy import MempoolPolicy
from esper.mempool.waiting import Waiting
from esper.primitives.errors.transaction_errors import ExpiredViolation
from esper.primitives.ids import Txid
from esper.primitives.params import LimitParameters
from esper.vm.kinds import DAO_KINDS
from esper.vm.ledger import Ledger
from esper.vm.records import NO_ACCOUNT
from esper.vm.view import Overlay


def after_chain_change(
    contents: Contents,
    policy: MempoolPolicy,
    limits: LimitParameters,
    *,
    before: NextBlock | None,
    now: NextBlock,
    included: Iterable[Txid],
    returned: Iterable[Waiting],
    touched: Iterable[bytes] | None,
) -> list[Dropped]:
    """Put the lines in order for the block ``now``; returns what left without being in a block.

    ``before`` is the next block of the last change, None at the first. ``touched`` are the paths of
    accounts that may be poorer than before, None if any may be. Limits of bytes are the caller's.
    """
    contents.count_by(now.context.params)
    known = frozenset(included)
    # In the order in which they were met, so that equal histories give equal mempools.
    senders: dict[bytes, None] = {}
    for txid in sorted(known):
        if txid in contents.by_txid:
            senders[contents.by_txid[txid].transaction.sender] = None
    expired = contents.expiries.take_before(now.height)
    for txid in expired:
        senders[contents.by_txid[txid].transaction.sender] = None
    back: dict[bytes, list[Waiting]] = {}
    for one in returned:
        if one.txid not in known and one.transaction.payload.RELAYED:
            back.setdefault(one.transaction.sender, []).append(one)
            senders[one.transaction.sender] = None
    if (
        touched is None
        or before is None
        or now.height < before.height
        or now.context.params != before.context.params
    ):
        # On a lower chain what was early enough may be too early again; a vote may move any limit.
        senders.update(dict.fromkeys(contents.lines))
    else:
        for path in sorted(touched):
            sender, needed = contents.sender_at(path), contents.incoming.needed_at(path)
            if sender is not None:
                senders[sender] = None
            if needed is not None:
                senders.update(dict.fromkeys(_dust_payers(needed, contents, now)))
        if now.may_have_fewer_credits_than(before):
            senders.update(dict.fromkeys(contents.credit_users))
        if now.governance != before.governance:
            # What a vote, a delegation or a proposal asks of the DAO may hold no more.
            senders.update(dict.fromkeys(_told(contents)))

    dropped: list[Dropped] = []
    for sender in senders:
        if sender in contents.lines or sender in back:
            dropped += _in_order(sender, back.get(sender, []), known, contents, policy, limits, now)
    return dropped


def _told(contents: Contents) -> list[bytes]:
    """Senders of what the DAO is told."""
    waiting = (one.transaction for one in contents.by_txid.values())
    return [one.sender for one in waiting if isinstance(one.payload, DAO_KINDS)]


def _dust_payers(address: bytes, contents: Contents, now: NextBlock) -> list[bytes]:
    """Senders of too little for a new account to an address that has no account any more."""
    needed = contents.incoming.needed_by(address)
    if not needed or Ledger(Overlay(now)).account(address) != NO_ACCOUNT:
        return []
    return [contents.by_txid[txid].transaction.sender for txid in needed]


def _in_order(
    sender: bytes,
    back: list[Waiting],
    known: frozenset[Txid],
    contents: Contents,
    policy: MempoolPolicy,
    limits: LimitParameters,
    now: NextBlock,
) -> list[Dropped]:
    """One sender's line, with what came back to it."""
    gone: list[tuple[Waiting, Exception | str]] = []
    replaced: list[tuple[Waiting, Exception | str]] = []
    by_nonce: dict[int, Waiting] = {}
    for one in contents.lines.get(sender, ()):
        if one.txid not in known:
            by_nonce[one.nonce] = one
    for one in back:
        rival = by_nonce.get(one.nonce)
        if rival is None or _outbids(one, rival, limits, policy):
            by_nonce[one.nonce] = one
            if rival is not None:
                replaced.append((rival, "the chain gave back one of the same nonce that pays more"))
    for one in list(by_nonce.values()):
        if one.transaction.expiry < now.height:
            gone.append((one, ExpiredViolation(now.height, one.transaction.expiry)))
            del by_nonce[one.nonce]
    arrangement = arranged(sender, by_nonce.values(), now, policy)
    contents.set_line(sender, arrangement.line)
    return [
        *contents.drop(replaced, Departure.REPLACED),
        *contents.drop([*gone, *arrangement.dropped]),
    ]


def _outbids(new: Waiting, old: Waiting, limits: LimitParameters, policy: MempoolPolicy) -> bool:
    try:
        check_outbids(new.transaction, old.transaction, limits, policy)
    except PolicyError:
        return False
    return True
