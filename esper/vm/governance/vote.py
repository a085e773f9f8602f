"""Vote: yes, no or abstention on an open proposal, once and for good."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esper.dao.records import Live, Proposal
from esper.dao.snapshot import Held
from esper.dao.steps import OPEN, Subject, tally_of, with_tally
from esper.dao.tally import NOT_VOTED, Choice, revert_passes, voted, weight
from esper.primitives.codec import FixedBytes, Unsigned
from esper.primitives.errors.dao_errors import (
    DaoEncodingViolation,
    NoWeightViolation,
    VoteClosedViolation,
    VotedViolation,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.governance.closing import REVERTED, revert, target_of
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.dao_suite import check_suite
from esper.vm.governance.stake_moves import held_by
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema


@dataclass(frozen=True, slots=True)
class Vote(Payload):
    """The payload of a vote."""

    proposal: Txid
    """64 bytes: txid of the proposal, and so of what it says."""
    choice: int
    """0 no, 1 yes, 2 abstain."""

    KIND: ClassVar[int] = 8
    NAME: ClassVar[str] = "vote"
    SCHEMA: ClassVar[Schema] = (
        ("proposal", FixedBytes(HASH_BYTES)),
        ("choice", Unsigned(8)),
    )

    def check_isolated(self) -> None:
        """Raises DaoEncodingViolation for an unknown choice."""
        if self.choice not in tuple(Choice):
            raise DaoEncodingViolation(f"choice {self.choice}, must be 0, 1 or 2")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The vote is open, the first of its sender, and weighs something.

        Raises DaoSuiteViolation, VoteClosedViolation, VotedViolation or NoWeightViolation.
        """
        check_suite(sender)
        records = DaoLedger(ledger)
        live = records.live(self.proposal)
        if live is None or live.step not in OPEN:
            raise VoteClosedViolation(self.proposal)
        before = records.voter(sender).vote(live.number)
        if before.choice != NOT_VOTED:
            raise VotedViolation(self.proposal)
        epoch = records.proposal(live.id).epoch
        if weight(held_by(sender, epoch, ledger), before.override) <= 0:
            raise NoWeightViolation(epoch)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Count it; a rollback of what is confirmed acts once enough have said yes."""
        records = DaoLedger(ledger)
        live = records.place(self.proposal)
        proposal = records.proposal(live.id)
        held = held_by(sender, proposal.epoch, ledger)
        proposal = self._counted(sender, live, proposal, held, records)
        records.set_proposal(live.id, proposal)
        if live.subject == Subject.ROLLBACK:
            _take_back_if_reached(live, proposal, records, context)
        return NO_EFFECT

    def _counted(
        self, sender: bytes, live: Live, proposal: Proposal, held: Held, records: DaoLedger
    ) -> Proposal:
        voter = records.voter(sender)
        cast = voter.vote(live.number)
        delegate = records.voter(held.delegate) if held.delegate else None
        theirs = None if delegate is None else delegate.vote(live.number)
        said = NOT_VOTED if theirs is None else theirs.choice
        tally, override = voted(tally_of(proposal), held, cast.override, self.choice, said)
        records.set_voter(sender, voter.with_vote(replace(cast, choice=self.choice)))
        if delegate is not None and theirs is not None and override:
            grown = replace(theirs, override=theirs.override + override)
            records.set_voter(held.delegate, delegate.with_vote(grown))
        return with_tally(proposal, tally)


def _take_back_if_reached(
    live: Live, proposal: Proposal, records: DaoLedger, context: ExecutionContext
) -> None:
    rules = context.genesis.governance
    target = target_of(proposal, records)
    if target is None or target.step not in REVERTED:
        return
    if revert_passes(tally_of(proposal), proposal.quorum, rules):
        revert(live, target, context.height, records, rules)
