"""Typed reading and writing of the DAO's records, with the coins that they hold counted."""

from dataclasses import replace
from typing import Final

from esper.dao.benchmarks.report import REPORT, Report
from esper.dao.entry_records import TIER
from esper.dao.hidden.hidden_set import HIDDEN_SET, TOKENIZER_SETS, HiddenSet, TokenizerSets
from esper.dao.records import (
    GOVERNANCE,
    PROPOSAL,
    SETTING_VALUES,
    VOTER,
    Due,
    Governance,
    Live,
    Proposal,
    SettingValues,
)
from esper.dao.registry import Tier, TierRegistry
from esper.dao.snapshot import RING, Voter
from esper.dao.steps import OPEN, Step
from esper.primitives.ids import Txid
from esper.vm.ledger import Ledger
from esper.vm.records import (
    GOVERNANCE_PATH,
    SETTINGS_PATH,
    hidden_set_path,
    proposal_path,
    report_path,
    tier_path,
    tokenizer_path,
    voter_path,
)
from esper.vm.settled_bond import SettledBond

NO_GOVERNANCE: Final = Governance(0, 0, 0, (), (), ())
NO_SETTINGS: Final = SettingValues((), ())
NO_VOTER: Final = Voter()
AWAITED: Final = frozenset({Step.ROUND0, Step.CHECK})
"""Steps of a model at which it counts who is ready for it."""


class DaoLedger:
    """The records of the DAO on a ledger."""

    __slots__ = ("_ledger",)

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def governance(self) -> Governance:
        """What is under way."""
        return self._ledger.read(GOVERNANCE, GOVERNANCE_PATH) or NO_GOVERNANCE

    def set_governance(self, governance: Governance) -> None:
        """Replace it."""
        self._ledger.write(GOVERNANCE, GOVERNANCE_PATH, governance)

    @property
    def settings(self) -> SettingValues:
        """What votes have moved."""
        return self._ledger.read(SETTING_VALUES, SETTINGS_PATH) or NO_SETTINGS

    def set_settings(self, settings: SettingValues) -> None:
        """Replace it."""
        self._ledger.write(SETTING_VALUES, SETTINGS_PATH, settings)

    @property
    def tiers(self) -> TierRegistry:
        """The tiers as they are now. Raises KeyError for a state that lacks one."""
        ids = self.governance.tiers
        return TierRegistry(tuple(self._ledger.required(TIER, tier_path(one)) for one in ids))

    def set_tiers(self, tiers: TierRegistry) -> None:
        """Replace all of them."""
        governance = self.governance
        ids = tuple(tier.id for tier in tiers.tiers)
        for gone in set(governance.tiers) - set(ids):
            self._ledger.write(TIER, tier_path(gone), None)
        for tier in tiers.tiers:
            self._ledger.write(TIER, tier_path(tier.id), tier)
        if ids != governance.tiers:
            self.set_governance(replace(governance, tiers=ids))

    def tier(self, tier_id: int) -> Tier | None:
        """A tier as it is now, None if there is none."""
        return self._ledger.read(TIER, tier_path(tier_id))

    def live(self, proposal_id: Txid) -> Live | None:
        """A proposal's place in the list of those that have not ended."""
        return next((one for one in self.governance.live if one.id == proposal_id), None)

    def place(self, proposal_id: Txid) -> Live:
        """The same of one that is known to be live. Raises KeyError for a state that lacks it."""
        found = self.live(proposal_id)
        if found is None:
            raise KeyError(f"proposal {proposal_id.hex()} is not live")
        return found

    def numbered(self, number: int) -> Live | None:
        """The same by its number."""
        return next((one for one in self.governance.live if one.number == number), None)

    def proposal(self, proposal_id: Txid) -> Proposal:
        """A live proposal. Raises KeyError for a state that contradicts itself."""
        return self._ledger.required(PROPOSAL, proposal_path(proposal_id))

    def open(self, live: Live, proposal: Proposal) -> None:
        """Add a proposal; its number is the next one."""
        governance = self.governance
        self.set_governance(replace(governance, number=live.number, live=(*governance.live, live)))
        self._ledger.coins += proposal.bond + proposal.fee
        self._ledger.write(PROPOSAL, proposal_path(live.id), proposal)

    def set_proposal(self, proposal_id: Txid, proposal: Proposal) -> None:
        """Replace a live proposal."""
        old = self.proposal(proposal_id)
        self._ledger.coins += proposal.bond + proposal.fee - old.bond - old.fee
        self._ledger.write(PROPOSAL, proposal_path(proposal_id), proposal)

    def report(self, report_id: Txid) -> Report | None:
        """A report whose vote has not closed, None if there is none or it has ended."""
        return self._ledger.read(REPORT, report_path(report_id))

    def set_report(self, report_id: Txid, report: Report | None) -> None:
        """Add or replace a report; None takes it out of the state, and its bond off the coins."""
        old = self.report(report_id)
        self._ledger.coins += 0 if report is None else report.bond
        self._ledger.coins -= 0 if old is None else old.bond
        self._ledger.write(REPORT, report_path(report_id), report)

    def sets_of(self, tokenizer: bytes) -> tuple[Txid, ...]:
        """The hidden sets for a tokenizer, in the order in which they were taken."""
        found = self._ledger.read(TOKENIZER_SETS, tokenizer_path(tokenizer))
        return () if found is None else found.sets

    def set_sets_of(self, tokenizer: bytes, sets: tuple[Txid, ...]) -> None:
        """Replace them; a tokenizer without sets has no record."""
        found = TokenizerSets(sets) if sets else None
        self._ledger.write(TOKENIZER_SETS, tokenizer_path(tokenizer), found)

    def find_set(self, set_id: Txid) -> HiddenSet | None:
        """A hidden set, None if there is none or it has ended."""
        return self._ledger.read(HIDDEN_SET, hidden_set_path(set_id))

    def hidden_set(self, set_id: Txid) -> HiddenSet:
        """One that a tokenizer names. Raises KeyError for a state that contradicts itself."""
        return self._ledger.required(HIDDEN_SET, hidden_set_path(set_id))

    def set_hidden(self, set_id: Txid, found: HiddenSet | None) -> None:
        """Add or replace a set; None takes it out of the state, and its bond off the coins."""
        old = self.find_set(set_id)
        self._ledger.coins += 0 if found is None else found.bond
        self._ledger.coins -= 0 if old is None else old.bond
        self._ledger.write(HIDDEN_SET, hidden_set_path(set_id), found)

    def move(self, live: Live, step: Step, next_height: int) -> None:
        """Let a live proposal go on with ``step`` at ``next_height``."""
        governance = self.governance
        moved = replace(live, step=int(step), next=next_height)
        others = (moved if one.id == live.id else one for one in governance.live)
        self.set_governance(replace(governance, live=tuple(others)))

    def remove(self, live: Live) -> None:
        """Take a proposal that holds no coins any more out of the state."""
        governance = self.governance
        others = tuple(one for one in governance.live if one.id != live.id)
        self.set_governance(replace(governance, live=others))
        self._ledger.write(PROPOSAL, proposal_path(live.id), None)

    def confirm(self, due: Due) -> None:
        """Add to the schedule."""
        governance = self.governance
        self.set_governance(replace(governance, schedule=(*governance.schedule, due)))

    def voter(self, address: bytes) -> Voter:
        """What is kept of a 33-byte address; one of defaults if it has none."""
        return self._ledger.read(VOTER, voter_path(address)) or NO_VOTER

    def set_voter(self, address: bytes, voter: Voter) -> None:
        """Replace it, less what nothing needs any more; one of nothing but defaults is absent."""
        epoch = self._ledger.totals.epoch
        live = self.governance.live
        opened = {one.number for one in live if one.step in OPEN}
        awaited = {one.number for one in live if one.step in AWAITED}
        voter = Voter(
            voter.delegate,
            voter.pot,
            tuple(one for one in voter.ring if one.epoch + RING > epoch),
            tuple(cast for cast in voter.votes if cast.number in opened),
            tuple(number for number in voter.ready if number in awaited),
        )
        self._ledger.write(VOTER, voter_path(address), None if voter == NO_VOTER else voter)

    def settle(self, held_by: Txid, address: bytes, returned: int, burned: int) -> None:
        """Let an address have units that a proposal or report held; burned ones are nobody's."""
        if returned:
            account = self._ledger.account(address)
            self._ledger.set_account(address, account.moved(returned))
        self._ledger.burned += burned
        if returned or burned:
            self._ledger.settled.append(SettledBond(held_by, address, returned, burned))
