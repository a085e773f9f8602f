"""Prove: something that a proof in the same block shows.

What is shown stands in the body, the proof in groups of its own in the block: rules of single
subjects are in ``proving``, and ``consensus.audit_rules`` judges the groups.
"""

from dataclasses import dataclass
from typing import ClassVar

from esper.dao.benchmarks.item_proof import ITEM_SUBJECT, ItemProof, read_item_proof
from esper.dao.evidence import EVIDENCE_SUBJECT, Evidence, read_evidence
from esper.dao.hidden.openings import OPENING_SUBJECT, HiddenProof, read_hidden_proof
from esper.dao.ready import MAX_READY_BODY, READY_SUBJECT, ReadyBody, read_ready
from esper.market.records.double import DOUBLE_SUBJECT, TwoRecords, read_two_records
from esper.primitives.codec import CodecError, FixedBytes, Unsigned, VarBytes
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.dao_suite import check_suite
from esper.vm.governance.proving.evidence import check_evidence, punish
from esper.vm.governance.proving.items import apply_item, check_item
from esper.vm.governance.proving.openings import check_openings, note_openings
from esper.vm.governance.proving.readiness import check_readiness, note_ready
from esper.vm.ledger import Ledger
from esper.vm.market.expelling import check_two_records, expel
from esper.vm.payload import Inclusion, Payload, Schema

Shown = ReadyBody | ItemProof | HiddenProof | Evidence | TwoRecords
"""What is shown, by subject."""


@dataclass(frozen=True, slots=True)
class Prove(Payload):
    """The payload of a proof."""

    subject: int
    """READY_SUBJECT, ITEM_SUBJECT, OPENING_SUBJECT, EVIDENCE_SUBJECT or DOUBLE_SUBJECT."""
    target: Txid
    """64 bytes: txid of the proposal, of the report or of the set, or a digest: the receipt's, or
    that of the first of two records."""
    room: int
    """Bytes that its groups may take in the block; paid for as the transaction's own."""
    body: bytes
    """What is shown: a rehearsed ticket, an item of a report, openings of a set, evidence, or two
    records of one turn."""

    KIND: ClassVar[int] = 11
    NAME: ClassVar[str] = "prove"
    SCHEMA: ClassVar[Schema] = (
        ("subject", Unsigned(8)),
        ("target", FixedBytes(HASH_BYTES)),
        ("room", Unsigned(32)),
        ("body", VarBytes(MAX_READY_BODY)),
    )
    RELAYED: ClassVar[bool] = False

    @property
    def room_bytes(self) -> int:
        """Bytes beside its own that it pays for."""
        return self.room

    def read(self) -> Shown:
        """The body. Raises DaoEncodingViolation."""
        try:
            if self.subject == READY_SUBJECT:
                return read_ready(self.body)
            if self.subject == ITEM_SUBJECT:
                return read_item_proof(self.body)
            if self.subject == OPENING_SUBJECT:
                return read_hidden_proof(self.body)
            if self.subject == EVIDENCE_SUBJECT:
                return read_evidence(self.body)
            if self.subject == DOUBLE_SUBJECT:
                return read_two_records(self.body)
        except CodecError as error:
            raise DaoEncodingViolation(str(error)) from error
        raise DaoEncodingViolation(f"subject {self.subject} of a proof, must be 1 to 4 or 6")

    def check_isolated(self) -> None:
        """Raises DaoEncodingViolation."""
        self.read()

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """Raises DaoSuiteViolation, or what the subject's rules in ``proving`` raise."""
        check_suite(sender)
        match self.read():
            case ReadyBody() as ready:
                check_readiness(sender, self.target, ready, ledger)
            case ItemProof() as item:
                check_item(self.target, item, DaoLedger(ledger), context.genesis.governance)
            case HiddenProof() as opened:
                rules = context.genesis.governance
                check_openings(sender, self.target, opened, DaoLedger(ledger), rules)
            case Evidence() as evidence:
                check_evidence(self.target, evidence, ledger, context)
            case TwoRecords() as shown:
                check_two_records(self.target, shown, ledger, context)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """What the subject's file in ``proving`` says."""
        match self.read():
            case ReadyBody():
                note_ready(sender, self.target, ledger)
            case ItemProof() as item:
                rules = context.genesis.governance
                apply_item(sender, self.target, item, DaoLedger(ledger), rules)
            case HiddenProof() as opened:
                note_openings(self.target, opened, DaoLedger(ledger), context.genesis.governance)
            case Evidence() as evidence:
                punish(sender, self.target, evidence, ledger, context, inclusion.txid)
            case TwoRecords() as shown:
                expel(sender, shown.first.provider, ledger, context, inclusion.txid)
        return NO_EFFECT
