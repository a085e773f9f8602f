"""LlmCall: a prompt for a model, paid in credits. Included with its answer, or left open."""

from dataclasses import dataclass
from typing import ClassVar

from esper.dao.registry import Entry
from esper.primitives.codec import Array, FixedBytes, Unsigned
from esper.primitives.errors.call_errors import (
    AnswerSizeViolation,
    CallModelViolation,
    CallShapeViolation,
    CallTooLongViolation,
    PriceViolation,
    PromptTokenViolation,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId, Txid
from esper.vm.answers import MAX_ANSWER_TOKENS, answer_bytes, call_cost, check_answer
from esper.vm.call_rows import call_rows
from esper.vm.context import Effect, ExecutionContext
from esper.vm.credit_rules import check_spending
from esper.vm.credits import settled, taken
from esper.vm.lanes import lapse_height, next_due_index
from esper.vm.ledger import Ledger
from esper.vm.payload import Inclusion, Payload, Schema
from esper.vm.records import MAX_PROMPT_TOKENS, Lane


@dataclass(frozen=True, slots=True)
class LlmCall(Payload):
    """The payload of a call."""

    model_id: ModelId
    """64 bytes: the model that shall answer."""
    prompt: tuple[int, ...]
    """Input token ids as the model gets them, BOS included: nothing is put in front of them."""
    max_tokens: int
    """Answer tokens at most, EOS included."""
    price: int
    """The caller's bid: micro-credits per prompt token, and four times that per answer token."""

    KIND: ClassVar[int] = 5
    NAME: ClassVar[str] = "llm-call"
    SCHEMA: ClassVar[Schema] = (
        ("model_id", FixedBytes(HASH_BYTES)),
        ("prompt", Array(Unsigned(32), MAX_PROMPT_TOKENS)),
        ("max_tokens", Unsigned(16)),
        ("price", Unsigned(32)),
    )
    PAYS_FEE: ClassVar[bool] = False
    TAKES_ANSWER: ClassVar[bool] = True

    def check_isolated(self) -> None:
        """Raises CallShapeViolation."""
        if not self.prompt or not 1 <= self.max_tokens <= MAX_ANSWER_TOKENS:
            raise CallShapeViolation(len(self.prompt), self.max_tokens, MAX_ANSWER_TOKENS)

    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The model can answer, and the caller can pay for the longest answer.

        Raises CallModelViolation, PromptTokenViolation, CallTooLongViolation, PriceViolation,
        CreditsViolation or RateViolation.
        """
        entry = _active_entry(self.model_id, context)
        model = entry.model
        for token in self.prompt:
            if token >= model.shape.vocab:
                raise PromptTokenViolation(token, model.shape.vocab)
        # The last answer token is never fed back, so it takes no row.
        rows = len(self.prompt) + self.max_tokens - 1
        limit = call_rows(context.params.calls, model.shape)
        if rows > limit:
            raise CallTooLongViolation(rows, limit)
        least = least_price(entry, context)
        if self.price < least:
            raise PriceViolation(self.price, least)
        check_spending(sender, self.reserve, ledger, context)

    @property
    def credits_needed(self) -> int:
        """The reserve."""
        return self.reserve

    @property
    def reserve(self) -> int:
        """Micro-credits that the longest answer burns."""
        return call_cost(self.price, len(self.prompt), self.max_tokens)

    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """Burn what the answer costs, or lock what the longest one would for an answer to come.

        Raises AnswerBudgetViolation, AnswerTokenViolation, AnswerEndViolation, AnswerSizeViolation
        or LaneLimitViolation.
        """
        answer = inclusion.answer
        if answer is None:
            return self._leave_open(sender, ledger, context, inclusion.txid)
        check_answer(answer, self.max_tokens, _active_entry(self.model_id, context).model)
        size, limit = len(answer_bytes(answer)), context.params.calls.inline_answer_bytes
        if size > limit:
            raise AnswerSizeViolation(size, limit)
        burned = call_cost(self.price, len(self.prompt), len(answer))
        account, totals = settled(ledger.account(sender), ledger.totals)
        account, _ = taken(account, burned)
        ledger.set_totals(totals)
        ledger.set_account(sender, account)
        return Effect(burned=burned, paid_tokens=len(self.prompt) + len(answer))

    def _leave_open(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, call_id: Txid
    ) -> Effect:
        lapses_at = lapse_height(context.height, context.params.calls)
        index = next_due_index(lapses_at, ledger, context.params.calls)
        account, totals = settled(ledger.account(sender), ledger.totals)
        account, portions = taken(account, self.reserve)
        ledger.set_totals(totals)
        ledger.set_account(sender, account)
        lane = Lane(
            caller=sender,
            model_id=self.model_id,
            prompt=self.prompt,
            max_tokens=self.max_tokens,
            price=self.price,
            epoch=totals.epoch,
            older_credits=portions.older,
            newer_credits=portions.newer,
            lapse_height=lapses_at,
            due_index=index,
        )
        ledger.add_lane(call_id, lane)
        return Effect(locked=self.reserve)


def least_price(entry: Entry, context: ExecutionContext) -> int:
    """Micro-credits per weighted token that a call to a model must offer at least.

    The least bid is that of the lowest tier's model; a heavier one asks for as much more.
    """
    return max(1, context.params.credits.minimum_bid * entry.omega // context.entries[0].omega)


def _active_entry(model_id: ModelId, context: ExecutionContext) -> Entry:
    entry = context.entry(model_id)
    if entry is None:
        raise CallModelViolation(model_id)
    return entry
