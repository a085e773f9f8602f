"""Rows of the line read back: sound, or put aside so that no others wait behind them."""

from typing import Final

from esper.gateway.proving_rows import LIVE, Row, Status, row_of

DAMAGED: Final = "damaged"
"""Why a row was given up that nobody can read."""


def sound_row(call: str, data: bytes) -> Row:
    """The row that is kept of a call. Raises ValueError for what the line cannot have written."""
    row = row_of(data)
    txids = {version.txid for version in row.versions}
    numbers = (row.prompt_tokens, row.max_price, *(version.bid for version in row.versions))
    places = [place for place in (row.place, row.result, row.lapse) if place is not None]
    if row.call != call:
        raise ValueError("it is the row of another call")
    if min(numbers) < 0:
        raise ValueError("it counts below 0")
    if any(place.txid not in txids for place in places):
        raise ValueError("it stands in a block with a transaction that it never had")
    if row.place is None and (row.result is not None or row.lapse is not None):
        raise ValueError("it has an answer and no call")
    if row.status in LIVE and row.place is None and not (row.versions and row.nonce is not None):
        raise ValueError("it was sent and has no transaction")
    if row.status in (Status.PROVEN, Status.FINAL) and row.result is None:
        raise ValueError("it is proven and has no answer")
    return row


def put_aside(call: str, height: int) -> Row:
    """What stands in the line for a row that nobody can read: over, from a tip's height on."""
    return Row(
        call,
        b"",
        0,
        (),
        0,
        0,
        status=Status.UNPROVEN,
        released=True,
        reason=DAMAGED,
        settled_at=height,
    )
