"""Lanes: calls that wait for their answer, with the credits they may burn locked away.

A block opens at most as many as may lapse in one, so that no block has more than that to lapse.
"""

from esper.primitives.errors.call_errors import LaneLimitViolation
from esper.primitives.params import CallParameters
from esper.vm.credits import Portions, returned, settled
from esper.vm.ledger import Ledger
from esper.vm.records import Lane


def lapse_height(height: int, rules: CallParameters) -> int:
    """The first height at which a lane opened at ``height`` cannot be answered any more."""
    return height + rules.lane_expiry_blocks + 1


def next_due_index(lapses_at: int, ledger: Ledger, rules: CallParameters) -> int:
    """The index of the next lane that lapses at this height.

    Raises LaneLimitViolation if no more may.
    """
    opened = ledger.lanes_due(lapses_at)
    if opened >= rules.lane_lapses_per_block:
        raise LaneLimitViolation(opened, rules.lane_lapses_per_block)
    return opened


def burn_and_return(lane: Lane, burned: int, ledger: Ledger) -> None:
    """Burn some of a removed lane's credits, the older ones first, and give back the others.

    ``burned`` is at most what the lane locked.
    """
    older = min(burned, lane.older_credits)
    rest = Portions(lane.older_credits - older, lane.newer_credits - (burned - older))
    account, totals = settled(ledger.account(lane.caller), ledger.totals)
    ledger.set_totals(totals)
    ledger.set_account(lane.caller, returned(account, rest, lane.epoch))


def lapse_lanes(height: int, ledger: Ledger) -> None:
    """Return the credits of every lane that was not answered in time."""
    for lane in ledger.take_lanes_due(height):
        burn_and_return(lane, 0, ledger)
