"""Propose: a model, a change or a rollback, with a bond."""

from dataclasses import dataclass, replace
from typing import ClassVar

from esper.dao.bodies import (
    BODIES,
    MAX_BODY_BYTES,
    Body,
    ChangeBody,
    ModelBody,
    RollbackBody,
    read_body,
)
from esper.dao.change_rules import check_change
from esper.dao.model_rules import check_model
from esper.dao.opened import opened_proposal
from esper.dao.records import Live
from esper.dao.setting_values import in_force, moved_at
from esper.dao.steps import first_step
from esper.primitives.codec import CodecError, Unsigned, VarBytes, encode
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.dao_suite import check_suite
from esper.vm.governance.electorate import bond_unit, quorum_of
from esper.vm.governance.opening_rules import check_bond, check_may_open, fee_share, gate_of
from esper.vm.governance.places import check_not_elsewhere, check_tier_free, check_tier_limit
from esper.vm.governance.planned import settings_by, tiers_by
from esper.vm.governance.rollback_rules import check_rollback, rollback_quorum
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema


@dataclass(frozen=True, slots=True)
class Propose(Payload):
    """The payload of a proposal. Its txid is the proposal's id."""

    subject: int
    """1 model, 2 change, 3 rollback."""
    bond: int
    """Units, the fee of a model in them."""
    body: bytes
    """What is proposed: see ``dao.bodies``."""

    KIND: ClassVar[int] = 7
    NAME: ClassVar[str] = "propose"
    SCHEMA: ClassVar[Schema] = (
        ("subject", Unsigned(8)),
        ("bond", Unsigned(63)),
        ("body", VarBytes(MAX_BODY_BYTES)),
    )

    @property
    def outlay(self) -> int:
        """The bond."""
        return self.bond

    def read(self) -> Body:
        """The body. Raises DaoEncodingViolation."""
        try:
            return read_body(self.subject, self.body)
        except CodecError as error:
            raise DaoEncodingViolation(str(error)) from error

    def check_isolated(self) -> None:
        """Raises DaoEncodingViolation."""
        self.read()

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """Who proposes, for which bond, and what; each rule raises its own error.

        Raises DaoSuiteViolation, or a DaoViolation or ProposalViolation of ``opening_rules``,
        ``places``, ``rollback_rules``, ``dao.model_rules`` or ``dao.change_rules``.
        """
        check_suite(sender)
        records, rules = DaoLedger(ledger), context.genesis.governance
        # Before anything is worked out: who has no stake must cost nothing.
        check_may_open(sender, self.subject, ledger, rules)
        body, tiers = self.read(), tiers_by(records)
        check_bond(self.subject, self.bond, body, tiers, records, rules)
        values = settings_by(records)
        match body:
            case ModelBody():
                tier = body.entry.tier
                check_tier_free(tier, records, height=context.height, rules=rules)
                check_tier_limit(tier, tiers, records)
                check_not_elsewhere(body, tiers, records)
                check_model(body, tiers, in_force(context.genesis, values), values.texts)
            case ChangeBody():
                now = in_force(context.genesis, values)
                moved = moved_at(values)
                check_change(body, tiers, context.genesis, now, moved, context.height)
            case RollbackBody():
                check_rollback(body, records, height=context.height, rules=rules)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Hold the bond, and let the vote begin."""
        records, rules = DaoLedger(ledger), context.genesis.governance
        governance, body = records.governance, self.read()
        unit = bond_unit(governance.stake, rules)
        tiers = tiers_by(records)
        fee = fee_share(body, tiers, unit)
        step, next_height, close = first_step(self.subject, context.height, rules)
        live = Live(
            number=governance.number + 1,
            id=inclusion.txid,
            subject=self.subject,
            tier=_tier_of(body, records),
            step=int(step),
            next=next_height,
        )
        ledger.set_account(sender, ledger.account(sender).moved(-self.bond))
        records.open(
            live,
            opened_proposal(
                live,
                governance,
                proposer=sender,
                bond=self.bond - fee,
                fee=fee,
                base=unit,
                opened=context.height,
                quorum=_quorum(body, records, ledger, context),
                close=close,
                gate=gate_of(body, tiers, settings_by(records).texts),
                body=kept_body(self.subject, body, self.body),
            ),
        )
        return NO_EFFECT


def kept_body(subject: int, body: Body, written: bytes) -> bytes:
    """What the state keeps of a body: all but a model's descriptor, which every proof carries."""
    if isinstance(body, ModelBody):
        return encode(BODIES[subject], replace(body, descriptor=b""))
    return written


def _tier_of(body: Body, records: DaoLedger) -> int:
    match body:
        case ModelBody():
            return body.entry.tier
        case RollbackBody():
            target = records.live(body.proposal)
            return 0 if target is None else target.tier
        case _:
            return 0


def _quorum(body: Body, records: DaoLedger, ledger: Ledger, context: ExecutionContext) -> int:
    stake, issued = records.governance.stake, ledger.chain.issued
    rules = context.genesis.governance
    if isinstance(body, RollbackBody):
        return rollback_quorum(records.live(body.proposal), stake, issued, rules)
    return quorum_of(stake, issued, rules)
