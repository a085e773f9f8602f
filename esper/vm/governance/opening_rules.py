"""Who may propose something now, and for which bond.

1. electorate   2. the proposer's stake   3. how many are under way   4. bond
"""

from typing import Final

from esper.dao.bodies import Body, ModelBody
from esper.dao.records import MAX_LIVE
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
    return unit // FEE_DIVISOR if _is_other_model(body, tiers) else 0


def gate_of(body: Body, tiers: TierRegistry, texts: tuple[bytes, ...]) -> int:
    """Suites that need a report that stands; ``texts`` are those that are registered by then."""
    return len(texts) if _is_other_model(body, tiers) else 0


def _is_other_model(body: Body, tiers: TierRegistry) -> bool:
    """Whether it is a model that its tier does not have: no longer bank alone."""
    if not isinstance(body, ModelBody):
        return False
    tier = tiers.find(body.entry.tier)
    return tier is None or tier.model.model_id != body.entry.model_id


def least_bond(subject: int, opened: int, unit: int, fee: int) -> int:
    """Units: each further open proposal costs twice the one before."""
    return unit if subject == Subject.ROLLBACK else (unit << opened) + fee


def check_may_open(
    sender: bytes, subject: int, ledger: Ledger, rules: GovernanceParameters
) -> None:
    """The first three: they cost nothing, whatever is scheduled.

    Raises ElectorateViolation, ProposerStakeViolation or OpenLimitViolation.
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

    if len(governance.live) >= MAX_LIVE:
        raise OpenLimitViolation("proposals are under way", MAX_LIVE)


def check_bond(
    subject: int,
    bond: int,
    body: Body,
    tiers: TierRegistry,
    records: DaoLedger,
    rules: GovernanceParameters,
) -> None:
    """The fourth; ``tiers`` are those that the schedule leads to. Raises BondViolation."""
    governance, opened = records.governance, open_count(records)
    unit = bond_unit(governance.stake, rules)
    least = least_bond(subject, opened, unit, fee_share(body, tiers, unit))
    if bond < least:
        raise BondViolation(bond, least)
