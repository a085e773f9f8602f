"""LlmResult: the answer to a call that was left open. Its sender is the payee of its proof."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.codec import FixedBytes
from esper.primitives.errors.call_errors import (
    AnswerBudgetViolation,
    CallModelViolation,
    LaneViolation,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import Txid
from esper.vm.answers import ANSWER, MAX_ANSWER_TOKENS, call_cost, check_answer
from esper.vm.context import Answer, Effect, ExecutionContext
from esper.vm.lanes import burn_and_return
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema
from esper.vm.records import Lane


@dataclass(frozen=True, slots=True)
class LlmResult(Payload):
    """The payload of a result."""

    call_id: Txid
    """64 bytes: txid of the call."""
    answer: Answer
    """Token ids, EOS included."""

    KIND: ClassVar[int] = 6
    NAME: ClassVar[str] = "llm-result"
    SCHEMA: ClassVar[Schema] = (
        ("call_id", FixedBytes(HASH_BYTES)),
        ("answer", ANSWER),
    )
    RELAYED: ClassVar[bool] = False

    def check_isolated(self) -> None:
        """Raises AnswerBudgetViolation for an answer that no call can have."""
        if not self.answer:
            raise AnswerBudgetViolation(0, MAX_ANSWER_TOKENS)

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The call waits, and the answer has its shape.

        Raises LaneViolation, CallModelViolation, AnswerBudgetViolation, AnswerTokenViolation or
        AnswerEndViolation.
        """
        lane = self._lane(ledger)
        model = context.answering(lane.model_id)
        if model is None:
            raise CallModelViolation(lane.model_id)
        check_answer(self.answer, lane.max_tokens, model)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Burn what the answer costs and return the rest of what the call locked."""
        lane = self._lane(ledger)
        burned = call_cost(lane.price, len(lane.prompt), len(self.answer))
        ledger.remove_lane(self.call_id, lane)
        burn_and_return(lane, burned, ledger)
        tokens = len(lane.prompt) + len(self.answer)
        return Effect(burned=burned, paid_tokens=tokens, payer=lane.caller)

    def _lane(self, ledger: Ledger) -> Lane:
        lane = ledger.lane(self.call_id)
        if lane is None:
            raise LaneViolation(self.call_id)
        return lane
