"""What is given up, and what is signed next, at the tip that was followed last."""

from dataclasses import replace
from typing import Final

from esper.gateway.proving_rows import (
    EXPIRY_BLOCKS,
    PENDING_LIMIT,
    QUEUE_MS,
    RAISES,
    Conditions,
    Row,
    Sign,
    Status,
)
from esper.gateway.proving_table import LineTable

SIGN_TRIES: Final = 3
"""How often a call is to be signed again for a nonce that others wait behind."""


def pass_time(table: LineTable, row: Row, now: Conditions) -> None:
    """A row that waits lapses or is given up."""
    if row.status is Status.QUEUED:
        if row.model_id not in now.models:
            table.give_up(row, "model_changed")
        elif now.now_ms - row.queued_at_ms >= QUEUE_MS:
            unsigned = "not_signed" if table.put_off.tries(row.call) else "expired"
            table.give_up(row, _hindrance(table, row, now) or unsigned)
    elif row.holds_nonce and row.nonce is not None and row.nonce >= now.account_nonce:
        newest = row.versions[-1]
        if newest.expiry > table.tip:
            if row.status is Status.LAPSED:
                # Blocks were undone: it may be taken again.
                table.keep(replace(row, status=Status.REORGANISED))
            return
        bid = 2 * newest.bid
        row = table.keep(replace(row, status=Status.LAPSED))
        if row.cancel or row.raised >= RAISES:
            table.give_up(row, "lapsed")
        elif row.model_id not in now.models:
            table.give_up(row, "model_changed")
        elif bid > row.max_price:
            table.give_up(row, "price")
        elif not _affords(table, row, bid, now):
            table.give_up(row, "credits")


def not_signed(table: LineTable, row: Row, now_ms: int, *, is_lost: bool) -> None:
    """A row could not be signed; others go first for a while."""
    table.put_off.add(row.call, now_ms)
    if is_lost:
        table.give_up(row, "damaged")
    elif row.status is Status.LAPSED and table.put_off.tries(row.call) >= SIGN_TRIES:
        # What has later nonces waits behind its own, which another call may fill.
        table.give_up(row, "not_signed")


def next_sign(table: LineTable, now: Conditions) -> Sign | None:
    """The one transaction to be signed next, None if there is none."""
    ends = [table.tip + EXPIRY_BLOCKS]
    if now.rotation_at is not None and now.rotation_at > table.tip:
        ends.append(now.rotation_at - 1)
    expiry = min(ends)
    if expiry <= table.tip:
        return None
    holding = table.holding(now.account_nonce)
    waits = table.put_off.waits
    lapsed = [
        row for row in holding if row.status is Status.LAPSED and not waits(row.call, now.now_ms)
    ]
    if lapsed:
        row = lapsed[0]
        assert row.nonce is not None
        return Sign(row.call, False, row.nonce, 2 * row.versions[-1].bid, expiry)
    if len(holding) >= PENDING_LIMIT:
        return None
    taken = {row.nonce for row in holding}
    nonce = next(n for n in range(now.account_nonce, table.next_nonce + 1) if n not in taken)
    for row in table.rows.values():
        if row.status is not Status.QUEUED or waits(row.call, now.now_ms):
            continue
        if not _hindrance(table, row, now):
            return Sign(row.call, False, nonce, now.bid_of(row.model_id), expiry)
    if any(row.nonce is not None and row.nonce > nonce for row in holding):
        # A gap that no call fills: what lies behind it would never be taken.
        tries = sum(row.cancel for row in (*table.rows.values(), *table.settled.values()))
        return Sign(f"cancel-{nonce}-{table.tip}-{tries}", True, nonce, 0, expiry)
    return None


def _hindrance(table: LineTable, row: Row, now: Conditions) -> str:
    bid = now.bid_of(row.model_id)
    if bid > row.max_price:
        return "price"
    return "" if _affords(table, row, bid, now) else "credits"


def _affords(table: LineTable, row: Row, bid: int, now: Conditions) -> bool:
    waiting = sum(
        other.cost(other.versions[-1].bid)
        for other in table.holding(now.account_nonce)
        if other.call != row.call
    )
    return waiting + row.cost(bid) <= min(now.credits, now.rate_left)
