"""What evidence takes from a gateway: named pending rewards, then stake, then named unbondings.

The state cannot list what an address has coming, so the accuser names it. A name of something that
is not there, or is another's, takes nothing: a reward may mature while a proof is made.
"""

from dataclasses import dataclass, replace

from esper.dao.evidence import Evidence, UnbondingPlace
from esper.vm.credits import settled
from esper.vm.governance.stake_moves import note_stake
from esper.vm.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Penalty:
    """Where units are taken from, and how many from each."""

    rewards: tuple[tuple[int, int], ...]
    """Height of a block, and units of its pending reward."""
    stake: int
    """Units of the stake."""
    unbondings: tuple[tuple[UnbondingPlace, int], ...]
    """Place of an unbonding, and units of it."""

    @property
    def units(self) -> int:
        """All together."""
        taken = (*self.rewards, *self.unbondings)
        return self.stake + sum(units for _, units in taken)


def planned_penalty(ledger: Ledger, body: Evidence, most: int) -> Penalty:
    """Up to ``most`` units of what the gateway has, in the order of taking."""
    gateway, left = body.receipt.gateway, most
    rewards: list[tuple[int, int]] = []
    for height in body.rewards:
        reward = ledger.reward(height)
        if left and reward is not None and reward.payee == gateway:
            rewards.append((height, min(left, reward.amount)))
            left -= rewards[-1][1]
    stake = min(left, ledger.account(gateway).stake)
    left -= stake
    unbondings: list[tuple[UnbondingPlace, int]] = []
    for place in body.unbondings:
        entry = ledger.unbonding(place.height, place.index)
        if left and entry is not None and entry.owner == gateway:
            unbondings.append((place, min(left, entry.amount)))
            left -= unbondings[-1][1]
    return Penalty(tuple(rewards), stake, tuple(unbondings))


def take(penalty: Penalty, gateway: bytes, ledger: Ledger) -> None:
    """Take it; whose it is then, and what of it is nobody's, is the caller's to say."""
    for height, units in penalty.rewards:
        ledger.cut_reward(height, units)
    if penalty.stake:
        # As with Unstake: votes that are open know the stake of their beginning, and what it has
        # earned stays earned.
        note_stake(gateway, -penalty.stake, ledger)
        account, totals = settled(ledger.account(gateway), ledger.totals)
        ledger.set_totals(replace(totals, total_stake=totals.total_stake - penalty.stake))
        ledger.set_account(gateway, replace(account, stake=account.stake - penalty.stake))
    for place, units in penalty.unbondings:
        ledger.cut_unbonding(place.height, place.index, units)
