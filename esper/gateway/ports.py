"""What the gateway's service needs from a node, beside the engine (``engine_port``).

```
request: key, form, tokens, reservation - waiting - slot, engine - end
   SignerPort.sign, then ONE commit (StorePort: receipts.promise with the Row)
   ProvingPort.enqueued(row), after that commit and only if the answer is to be proven
   the last chunk; with ``wait: proven`` once ProvingPort.state_after says so, or after 300 s
```
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

from esper.gateway.proving_rows import Row
from esper.gateway.reduction import Reduction
from esper.gateway.requests.asked import Message
from esper.gateway.store.gateway_store import GatewayStore

T = TypeVar("T")


class StorePort(Protocol):
    """The gateway's database, in the one thread that may use it: ``store.store_thread``."""

    async def ask(self, question: Callable[[GatewayStore], T]) -> T:
        """What ``question`` returns, asked in that thread, in the order of the calls.

        A question that was asked is carried out even if whoever asked is cancelled. Raises what
        it raises: StoreError among others.
        """
        ...


# Text


class TextRefusedError(ValueError):
    """Tokenizer or template take this input not. The sentence tells no text of it."""


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages as a model reads them."""

    tokens: Sequence[int]
    """BOS once."""
    public: int
    """Leading tokens that the template writes whatever the messages say, 0 if it is unsure."""


class AnswerTextPort(Protocol):
    """The text of one answer as its tokens come; what was given out is never taken back."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """The answer's tokens; after a stop those up to the last one of the shown text."""

    @property
    def stop(self) -> str | None:
        """The stop that ended the text, None while none did."""

    def add(self, token: int) -> str:
        """Take a token; return text to show, which may be none yet."""

    def add_all(self, tokens: Sequence[int]) -> str:
        """Take tokens; return what ``add`` returns for each, side by side."""

    def end(self) -> str:
        """The answer is over: return what waited."""


class TextPort(Protocol):
    """Text of one model. What takes long is done beside the event loop."""

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer: the model's own end, and every marker of its template."""

    async def of_text(self, text: str) -> Sequence[int]:
        """Input of the model for a text as it is, BOS included. Raises TextRefusedError."""

    async def of_messages(self, messages: Sequence[Message]) -> ChatPrompt:
        """Input of the model by its template. Raises TextRefusedError."""

    def answer(self, prompt: Sequence[int], stops: Sequence[str]) -> AnswerTextPort:
        """Begin the text of an answer to a prompt."""

    def token_bytes(self, token: int) -> bytes:
        """What a token writes, which may be part of a character; markers write nothing."""


class TextsPort(Protocol):
    """Texts of the models that are here."""

    def of(self, model_id: bytes) -> TextPort | None:
        """The text of a model (64 bytes), None if its tokenizer is not here."""


# Promises


@dataclass(frozen=True, slots=True)
class Given:
    """An answer to be signed."""

    model_id: bytes
    """64 bytes."""
    prompt: tuple[int, ...]
    """Tokens, BOS included."""
    answer: tuple[int, ...]
    """Tokens, at least one; the promise's ``max_tokens`` is their number."""
    asked: Reduction
    """What is signed of the request: ``reduction_bytes`` are its bytes."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A promise."""

    receipt: bytes
    """The receipt of kind promise, as its holder gets it."""
    height: int
    """The tip that it names."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What a promise says of its call, for one that is to be proven later."""

    model_id: bytes
    prompt_tokens: int
    answer: tuple[int, ...]


class SignerPort(Protocol):
    """Holds ``gateway.key``."""

    @property
    def address(self) -> str:
        """Whose signature promises have."""

    async def sign(self, given: Given) -> Signed:
        """The promise of an answer. May be cancelled. Raises nothing that a request can cause."""

    def promised(self, receipt: bytes) -> Promised:
        """Read a promise that ``sign`` made. Raises ValueError for what is none."""


# Proofs


@dataclass(frozen=True, slots=True)
class CallState:
    """Where a call is."""

    status: str
    """Of ``proving_rows.Status``, or ``instant``: signed, and not to be proven."""
    reason: str = ""
    """Why it was given up, or nothing."""
    cost: int = 0
    """Micro-credits of the proof, once it was charged."""

    @property
    def settled(self) -> bool:
        """Whether nobody need wait any longer: in a block, or given up."""
        return self.status in ("proven", "final", "unproven", "instant")


class ProvingPort(Protocol):
    """Brings calls into the chain. Their rows are in the database already."""

    def backlog_blocks(self) -> int:
        """How many blocks those that wait fill: a call queued now is proven after them."""

    def enqueued(self, row: Row) -> None:
        """A row was committed as queued, with its promise or after it."""

    def state(self, call: str) -> CallState | None:
        """Where a call is; None for one that is no longer followed, or never was."""

    async def state_after(self, call: str, known: CallState | None) -> CallState | None:
        """As ``state``, as soon as it is not ``known``. Waits for as long as it takes."""


class Serving(Enum):
    """Whether a node answers."""

    READY = "ready"
    NOT_READY = "not ready"
    """It starts, or follows the chain from afar: later."""
    DISAGREES = "disagrees"
    """The chain's answer was not the signed one: never, before the operator looked at it."""


class ChainPort(Protocol):
    """The node's chain, as far as answering goes."""

    def serving(self) -> Serving:
        """Whether answers are given now."""

    def why_not_ready(self) -> str:
        """A sentence that says what is missing and what to do, nothing while all is in order."""

    def bond(self) -> int:
        """Micro-credits that a false promise can cost the gateway; 0 if none can."""
