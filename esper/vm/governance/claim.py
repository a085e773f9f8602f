"""Claim: something about a model that single proofs can show to be false, with a bond.

A report says which items of a benchmark suite a proposed model gets right. A hidden set is a
commitment to items that nobody has seen, and may be taken back while no model waits for it.
"""

from dataclasses import dataclass
from typing import ClassVar

from esper.dao.benchmarks.report import (
    MAX_CLAIM_BODY,
    REPORT_SUBJECT,
    ReportBody,
    read_report,
)
from esper.dao.hidden.hidden_set import (
    SET_SUBJECT,
    WITHDRAW_SUBJECT,
    SetBody,
    WithdrawBody,
    read_set,
    read_withdrawal,
)
from esper.primitives.codec import CodecError, Unsigned, VarBytes
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.dao_suite import check_suite
from esper.vm.governance.hidden.set_rules import (
    check_set,
    check_withdrawal,
    commit_set,
    return_set,
)
from esper.vm.governance.reports.report_rules import check_report
from esper.vm.governance.reports.report_steps import open_report
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema

Claimed = ReportBody | SetBody | WithdrawBody
"""What is claimed, by subject."""


@dataclass(frozen=True, slots=True)
class Claim(Payload):
    """The payload of a claim. Its txid is the report's id, or the set's."""

    subject: int
    """REPORT_SUBJECT, SET_SUBJECT or WITHDRAW_SUBJECT."""
    bond: int
    """Units; 0 where a set is taken back."""
    body: bytes
    """What is claimed: see ``dao.benchmarks.report`` and ``dao.hidden.hidden_set``."""

    KIND: ClassVar[int] = 10
    NAME: ClassVar[str] = "claim"
    SCHEMA: ClassVar[Schema] = (
        ("subject", Unsigned(8)),
        ("bond", Unsigned(63)),
        ("body", VarBytes(MAX_CLAIM_BODY)),
    )

    @property
    def outlay(self) -> int:
        """The bond."""
        return self.bond

    def read(self) -> Claimed:
        """The body. Raises DaoEncodingViolation."""
        try:
            if self.subject == REPORT_SUBJECT:
                return read_report(self.body)
            if self.subject == SET_SUBJECT:
                return read_set(self.body)
            if self.subject == WITHDRAW_SUBJECT:
                return read_withdrawal(self.body)
        except CodecError as error:
            raise DaoEncodingViolation(str(error)) from error
        raise DaoEncodingViolation(f"subject {self.subject} of a claim, must be 1, 2 or 3")

    def check_isolated(self) -> None:
        """Raises DaoEncodingViolation."""
        if isinstance(self.read(), WithdrawBody) and self.bond:
            raise DaoEncodingViolation("a set is taken back with a bond, must be without")

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """A model is open to votes, and has room for this; or a tokenizer has.

        Raises DaoSuiteViolation or what ``reports.report_rules`` and ``hidden.set_rules`` raise.
        """
        check_suite(sender)
        records, rules = DaoLedger(ledger), context.genesis.governance
        match self.read():
            case ReportBody() as body:
                check_report(sender, self.bond, body, records, height=context.height, rules=rules)
            case SetBody() as body:
                check_set(self.bond, body, records, rules)
            case WithdrawBody() as body:
                check_withdrawal(sender, body, records)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Hold the bond; what is claimed is drawn of some blocks later. Or give it back."""
        ledger.set_account(sender, ledger.account(sender).moved(-self.bond))
        records, txid, height = DaoLedger(ledger), inclusion.txid, context.height
        match self.read():
            case ReportBody() as body:
                rules = context.genesis.governance
                open_report(txid, sender, self.bond, body, records, height=height, rules=rules)
            case SetBody() as body:
                commit_set(txid, sender, self.bond, body, height, records)
            case WithdrawBody() as body:
                return_set(body.set_id, records)
        return NO_EFFECT
