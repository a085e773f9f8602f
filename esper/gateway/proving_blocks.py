"""What a block of the chain does to rows: its own transactions, and its depth below others."""

from collections.abc import Callable
from dataclasses import replace

from esper.gateway.proving_rows import Alarm, Block, Charge, Place, Row, Spent, Status
from esper.gateway.proving_table import LineTable


def spend(table: LineTable, spent: Spent, block: Block) -> None:
    """A transaction of the account is in a block."""
    row = table.row(spent.txid)
    if row is None:
        table.stop("foreign_nonce")
    elif row.place is not None:
        table.step.alarms.append(Alarm("spent_twice", row.call))
    else:
        status = Status.PROVEN if row.cancel else Status.OPEN
        place = Place(block.height, block.block_id, spent.txid)
        result = place if row.cancel else None
        table.keep(replace(row, status=status, place=place, result=result, settled_at=None))


def answer(table: LineTable, txid: bytes, given: tuple[int, ...], block: Block) -> None:
    """A call's answer is in a block."""

    def proven(row: Row, place: Place) -> Row:
        row = replace(row, status=Status.PROVEN, result=place)
        if given == row.answer:
            return row
        table.stop("engine_disagrees", row.call)
        return replace(row, disagreed=given)

    _at(table, txid, proven, block)


def lapse(table: LineTable, txid: bytes, block: Block) -> None:
    """Nobody answered a lane in time."""

    def lapsed(row: Row, place: Place) -> Row:
        return replace(row, status=Status.LAPSED, lapse=place)

    _at(table, txid, lapsed, block)


def undo(table: LineTable, block_id: bytes) -> None:
    """The last block was taken off."""
    for row in (*table.rows.values(), *table.settled.values()):
        if row.lapse is not None and row.lapse.block_id == block_id:
            row = replace(row, lapse=None, status=Status.OPEN)
        if row.result is not None and row.result.block_id == block_id:
            if row.status is Status.FINAL:
                table.step.alarms.append(Alarm("final_undone", row.call))
            row = replace(row, result=None, status=Status.OPEN, settled_at=None)
        if row.place is not None and row.place.block_id == block_id:
            # Given up before: its nonce may be another's by now.
            back = Status.UNPROVEN if row.reason else Status.REORGANISED
            row = replace(row, place=None, status=back, settled_at=None)
        table.keep(row)


def ripen(table: LineTable) -> None:
    """What became deep is final, and what it makes impossible is over."""
    spent = {
        version.nonce: row
        for row in table.rows.values()
        if row.place is not None and table.deep(row.place)
        for version in row.versions
        if version.txid == row.place.txid
    }
    for row in list(table.rows.values()):
        if row.status is Status.PROVEN and table.deep(row.result):
            _finish(table, row)
        elif row.lapse is not None and table.deep(row.lapse):
            row = replace(row, lapse=None, place=None, nonce=None, lanes=row.lanes + 1)
            # A second lapse would not be the last, and each holds credits for a long time.
            if row.lanes == 1 and not row.reason:
                table.requeue(row)
            else:
                table.give_up(row, "lane_lapsed")
        elif row.place is None and row.nonce in spent:
            # Another has used its nonce up for good: all its versions are dead.
            row = replace(row, nonce=None)
            if row.reason or row.cancel:
                table.give_up(row, row.reason or "lapsed")
            else:
                table.requeue(row)
        elif row.status is Status.UNPROVEN and table.dead(row):
            table.give_up(replace(row, nonce=None), row.reason)
    table.forget_deep()


def _at(table: LineTable, txid: bytes, change: Callable[[Row, Place], Row], block: Block) -> None:
    row = table.row(txid)
    if row is not None and row.place is not None and row.place.txid == txid:
        table.keep(change(row, Place(block.height, block.block_id, txid)))


def _finish(table: LineTable, row: Row) -> None:
    assert row.place is not None
    bids = {version.txid: version.bid for version in row.versions}
    charge = not row.cancel and not row.charged and row.disagreed is None
    if charge:
        # The commit that charges takes the reservation away with it.
        table.step.charges.append(Charge(row.call, row.cost(bids[row.place.txid])))
    elif not row.cancel and not row.released:
        table.step.releases.append(row.call)
    table.keep(
        replace(
            row,
            status=Status.FINAL,
            charged=row.charged or charge,
            released=True,
            reason="",
            settled_at=table.tip,
        )
    )
