"""Who may propose something now, and for which bond.

1. electorate   2. the proposer's stake   3. how many are under way   4. bond
"""

from typing import Final

from esper.dao.bodies import Body, ModelBody
from esper.dao.registry import TierRegistry
from esper.dao.steps import OPEN, Subject
from esper.primitives.errors.dao_errors import (
    BondViolation,
    ElectorateViolation,
    OpenLimitViolation,
    ProposerStakeViolation,
)
from esper.primitives.params import GovernanceParameters
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.electorate import bond_unit, least_electorate
from esper.vm.governance.stake_moves import held_by
from esper.vm.ledger import Ledger

PER_MILLE: Final = 1000
MOST_OPEN: Final = 8
"""Models and changes whose vote is open, together."""
MOST_CHANGES: Final = 8
"""Changes that have not ended."""
FEE_DIVISOR: Final = 4
"""A model that is not its tier's own brings this part of the bonds' unit for hidden validation."""


def open_count(records: DaoLedger) -> int:
    """Models and changes whose vote is open."""
    live = records.governance.live
    return sum(one.step in OPEN and one.subject != Subject.ROLLBACK for one in live)


def fee_share(body: Body, tiers: TierRegistry, unit: int) -> int:
    """Units of the bond that are the fee; ``tiers`` are those that the schedule leads to."""
    if not isinstance(body, ModelBody):
        return 0
    tier = tiers.find(body.entry.tier)
    extends = tier is not None and tier.model.model_id == body.entry.model_id
    return 0 if extends else unit // FEE_DIVISOR


def least_bond(subject: int, opened: int, unit: int, fee: int) -> int:
    """Units: each further open proposal costs twice the one before."""
    return unit if subject == Subject.ROLLBACK else (unit << opened) + fee


def check_opening(
    sender: bytes,
    subject: int,
    bond: int,
    body: Body,
    tiers: TierRegistry,
    ledger: Ledger,
    rules: GovernanceParameters,
) -> None:
    """All four, in their order.

    Raises ElectorateViolation, ProposerStakeViolation, OpenLimitViolation or BondViolation.
    """
    records = DaoLedger(ledger)
    governance = records.governance

    # 1. Enough is staked for a vote to mean something. Taking back is never kept from anybody.
    needed = least_electorate(ledger.chain.issued, rules)
    if subject != Subject.ROLLBACK and governance.stake < needed:
        raise ElectorateViolation(governance.stake, needed)

    # 2. The proposer had a part of it.
    stake = held_by(sender, governance.epoch, ledger).stake
    part = rules.proposal_stake_per_mille
    if stake < 1 or PER_MILLE * stake < part * governance.stake:
        raise ProposerStakeViolation(stake, max(1, -(-part * governance.stake // PER_MILLE)))

    # 3. There is room.
    opened = open_count(records)
    if subject != Subject.ROLLBACK and opened >= MOST_OPEN:
        raise OpenLimitViolation("models and changes are open to votes", MOST_OPEN)
    if subject == Subject.CHANGE:
        changes = sum(one.subject == Subject.CHANGE for one in governance.live)
        if changes >= MOST_CHANGES:
            raise OpenLimitViolation("changes are under way", MOST_CHANGES)

    # 4. The bond is large enough.
    unit = bond_unit(governance.stake, rules)
    least = least_bond(subject, opened, unit, fee_share(body, tiers, unit))
    if bond < least:
        raise BondViolation(bond, least)
