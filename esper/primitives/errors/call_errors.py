"""Rules about calls and credits, in the order of checking."""

from dataclasses import dataclass
from typing import ClassVar

from esper.primitives.errors.rule_violation import Scope
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import ModelId, Txid


class CallViolation(TransactionViolation):
    """A call, or a transfer of credits, that the parent's state does not allow."""

    scope = Scope.CONTEXT


class AnswerViolation(TransactionViolation):
    """An answer that does not fit its call; whether the model gives it is for the proof to say."""

    scope = Scope.BODY


@dataclass(eq=False)
class CallShapeViolation(TransactionViolation):
    """A call without a prompt, or for no tokens or too many."""

    scope = Scope.ISOLATION
    prompt_tokens: int
    max_tokens: int
    limit: int
    template: ClassVar[str] = (
        "call of {prompt_tokens} prompt tokens for {max_tokens} answer tokens, "
        "must be at least 1 and in [1, {limit}]"
    )


@dataclass(eq=False)
class CallModelViolation(CallViolation):
    """A call to a model that is not active."""

    model_id: ModelId
    template: ClassVar[str] = "model {model_id} is not active"


@dataclass(eq=False)
class PromptTokenViolation(CallViolation):
    """A prompt with an id that the model does not have."""

    token: int
    vocab: int
    template: ClassVar[str] = "prompt token {token}, ids of the model are below {vocab}"


@dataclass(eq=False)
class CallTooLongViolation(CallViolation):
    """A prompt and answer that do not fit the rows of one call."""

    rows: int
    limit: int
    template: ClassVar[str] = "call of {rows} rows, at most {limit} fit"


@dataclass(eq=False)
class PriceViolation(CallViolation):
    """A price below the least bid."""

    price: int
    minimum: int
    template: ClassVar[str] = "bid of {price:credits} a token, at least {minimum:credits}"


@dataclass(eq=False)
class CreditsViolation(CallViolation):
    """Fewer credits than a call may burn, or than a transfer gives away."""

    available: int
    needed: int
    template: ClassVar[str] = "{available:credits} available, {needed:credits} needed"


@dataclass(eq=False)
class RateViolation(CallViolation):
    """More credits in one epoch than the stake, gifts and the allowance for everyone permit."""

    used: int
    needed: int
    limit: int
    template: ClassVar[str] = (
        "{used:credits} used in this epoch and {needed:credits} more needed, "
        "at most {limit:credits}"
    )


@dataclass(eq=False)
class CreditDustViolation(CallViolation):
    """A new account for fewer credits than the least gift: every account is kept by everyone."""

    amount: int
    minimum: int
    template: ClassVar[str] = (
        "{amount:credits} to an address without an account, at least {minimum:credits}"
    )


@dataclass(eq=False)
class LaneViolation(CallViolation):
    """A result for a call that waits for none: unknown, answered or lapsed."""

    call_id: Txid
    template: ClassVar[str] = "call {call_id} waits for no result"


@dataclass(eq=False)
class LaneLimitViolation(AnswerViolation):
    """More calls left open by one block than may lapse in one."""

    opened: int
    limit: int
    template: ClassVar[str] = "{opened} calls of the block are left open already, at most {limit}"


@dataclass(eq=False)
class AnswerCountViolation(AnswerViolation):
    """Not one answer, or mark of an open call, for each call of the block."""

    answers: int
    calls: int
    template: ClassVar[str] = "{answers} answers for {calls} calls"


@dataclass(eq=False)
class AnswerBudgetViolation(AnswerViolation):
    """An answer longer than the call pays for, or empty."""

    tokens: int
    limit: int
    template: ClassVar[str] = "answer of {tokens} tokens, must be in [1, {limit}]"


@dataclass(eq=False)
class AnswerTokenViolation(AnswerViolation):
    """An answer with an id that the model does not have."""

    token: int
    vocab: int
    template: ClassVar[str] = "answer token {token}, ids of the model are below {vocab}"


@dataclass(eq=False)
class AnswerEndViolation(AnswerViolation):
    """EOS before the end of an answer, or an answer below its budget that does not end with it."""

    position: int
    tokens: int
    limit: int
    template: ClassVar[str] = (
        "first end-of-sequence at {position} of {tokens} answer tokens, must be the last of them "
        "or absent from {limit}"
    )


@dataclass(eq=False)
class AnswerSizeViolation(AnswerViolation):
    """An answer too large to come with the block: it has to come in a transaction of its own."""

    got: int
    limit: int
    template: ClassVar[str] = "answer of {got} bytes in the block, at most {limit}"


@dataclass(eq=False)
class CreditIssueViolation(AnswerViolation):
    """More credits in accounts than stake has earned: an invariant of the state."""

    epoch: int
    drawn: int
    issued: int
    template: ClassVar[str] = (
        "epoch {epoch}: accounts drew {drawn:credits}, {issued:credits} were issued"
    )
