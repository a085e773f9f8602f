"""What the market does before a block's first transaction: its beacon, and the drawn height."""

from dataclasses import replace

from esper.market.slots import is_drawn, slot_of
from esper.market.taken import taken_market
from esper.vm.context import ExecutionContext
from esper.vm.ledger import Ledger
from esper.vm.market.market_ledger import MarketLedger
from esper.vm.market.records.clock import MarketClock


def begin_market(ledger: Ledger, context: ExecutionContext) -> None:
    """Write the height's beacon, and note the height if it is the slot's drawn one.

    The beacon that draws is the one that the parent's state holds. Nothing on a network without a
    market.
    """
    params = taken_market(context.genesis.name)
    if params is None:
        return
    records, height = MarketLedger(ledger), context.height
    records.add_beacon(height, context.beacon)
    before = records.clock
    slot = slot_of(height, params)
    clock = before if before.slot == slot else MarketClock(slot)
    if not clock.drawn and is_drawn(ledger.chain.beacon, height, params):
        clock = replace(clock, drawn=height)
    if clock != before:
        records.set_clock(clock)
