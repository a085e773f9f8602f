"""Claim: something about a model that single proofs can show to be false, with a bond.

A report says which items of a benchmark suite a proposed model gets right. Subject 2 is kept for
hidden sets of items.
"""

from dataclasses import dataclass
from typing import ClassVar

from esper.dao.benchmarks.report import (
    MAX_CLAIM_BODY,
    REPORT_SUBJECT,
    ReportBody,
    read_report,
)
from esper.primitives.codec import CodecError, Unsigned, VarBytes
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.dao_suite import check_suite
from esper.vm.governance.kept import check_reports_taken
from esper.vm.governance.reports.report_rules import check_report
from esper.vm.governance.reports.report_steps import open_report
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema


@dataclass(frozen=True, slots=True)
class Claim(Payload):
    """The payload of a claim. Its txid is the report's id."""

    subject: int
    """REPORT_SUBJECT."""
    bond: int
    """Units."""
    body: bytes
    """What is claimed: see ``dao.benchmarks.report``."""

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

    def read(self) -> ReportBody:
        """The body. Raises DaoEncodingViolation."""
        if self.subject != REPORT_SUBJECT:
            raise DaoEncodingViolation(f"subject {self.subject} of a claim, must be 1")
        try:
            return read_report(self.body)
        except CodecError as error:
            raise DaoEncodingViolation(str(error)) from error

    def check_isolated(self) -> None:
        """Raises DaoEncodingViolation."""
        check_reports_taken()
        self.read()

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """A model is open to votes, and has room for this.

        Raises DaoSuiteViolation or what ``reports.report_rules`` raises.
        """
        check_suite(sender)
        check_report(
            sender,
            self.bond,
            self.read(),
            DaoLedger(ledger),
            height=context.height,
            rules=context.genesis.governance,
        )

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Hold the bond; the sample is drawn some blocks later."""
        ledger.set_account(sender, ledger.account(sender).moved(-self.bond))
        open_report(
            inclusion.txid,
            sender,
            self.bond,
            self.read(),
            DaoLedger(ledger),
            height=context.height,
            rules=context.genesis.governance,
        )
        return NO_EFFECT
