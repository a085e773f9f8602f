"""What an address has coming, as the state has it: evidence may have taken from it since.

The history knows at which heights something comes, the state how much of it there still is.
"""

from collections.abc import Iterable

from esper.node.chain.history import Released
from esper.rpc import schema as s
from esper.vm.ledger import Ledger


def immature_rewards(
    address: bytes, known: Iterable[Released], maturity: int, ledger: Ledger
) -> list[s.Release]:
    """Rewards of mined blocks, the first first; ``known`` are those that the history knows."""
    found: list[s.Release] = []
    for one in known:
        reward = ledger.reward(one.height - maturity)
        if reward is not None and reward.payee == address:
            found.append(s.Release(one.height, str(reward.amount)))
    return found


def unbonding_stake(address: bytes, known: Iterable[Released], ledger: Ledger) -> list[s.Release]:
    """Unstaked units on their way, the first first; alike."""
    found: list[s.Release] = []
    for height in sorted({one.height for one in known}):
        for index in range(ledger.unbondings_due(height)):
            entry = ledger.unbonding(height, index)
            if entry is not None and entry.owner == address and entry.amount:
                found.append(s.Release(height, str(entry.amount), index))
    return found
