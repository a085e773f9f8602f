"""Prove: who mined of late shows that it runs a model that is about to be activated.

The rehearsed ticket stands in the body; its proof stands in the block, in a group of its own, and
``consensus.audit_rules`` judges both.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from esper.dao.ready import MAX_READY_BODY, READY_SUBJECT, ReadyBody, read_ready
from esper.dao.steps import Subject
from esper.primitives.codec import CodecError, FixedBytes, Unsigned, VarBytes
from esper.primitives.errors.dao_errors import (
    DaoEncodingViolation,
    ProveTargetViolation,
    ReadinessViolation,
    ReadyTwiceViolation,
    RewardMissingViolation,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.vm.context import NO_EFFECT, Effect, ExecutionContext
from esper.vm.governance.dao_ledger import AWAITED, DaoLedger
from esper.vm.governance.dao_suite import check_suite
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema


@dataclass(frozen=True, slots=True)
class Prove(Payload):
    """The payload of a proof."""

    subject: int
    """READY_SUBJECT."""
    target: Txid
    """64 bytes: txid of the model's proposal."""
    room: int
    """Bytes that the proof may take in the block; paid for as the transaction's own."""
    body: bytes
    """The rehearsed ticket: see ``dao.ready``."""

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

    def read(self) -> ReadyBody:
        """The body. Raises DaoEncodingViolation."""
        if self.subject != READY_SUBJECT:
            raise DaoEncodingViolation(f"subject {self.subject} of a proof, must be 1")
        try:
            return read_ready(self.body)
        except CodecError as error:
            raise DaoEncodingViolation(str(error)) from error

    def check_isolated(self) -> None:
        """Raises DaoEncodingViolation."""
        self.read()

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """A model waits for it, for the first time of this sender, who has mined.

        Raises DaoSuiteViolation, ProveTargetViolation, ReadinessViolation, ReadyTwiceViolation or
        RewardMissingViolation.
        """
        check_suite(sender)
        records = DaoLedger(ledger)
        live = records.live(self.target)
        if live is None or live.subject != Subject.MODEL:
            raise ProveTargetViolation(self.target)
        if live.step not in AWAITED:
            raise ReadinessViolation(live.number)
        if live.number in records.voter(sender).ready:
            raise ReadyTwiceViolation(live.number)
        height = self.read().reward_height
        reward = ledger.reward(height)
        if reward is None or reward.payee != sender:
            raise RewardMissingViolation(height)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """The sender's blocks count for the model from now on."""
        records = DaoLedger(ledger)
        live = records.place(self.target)
        voter = records.voter(sender)
        ready = tuple(sorted({*voter.ready, live.number}))
        records.set_voter(sender, replace(voter, ready=ready))
        return NO_EFFECT
