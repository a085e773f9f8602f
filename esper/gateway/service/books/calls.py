"""A request that was let in, with all that must be given back when it ends."""

from dataclasses import dataclass
from typing import Protocol

from esper.gateway.engine_port import EngineModel
from esper.gateway.keys import Account
from esper.gateway.ports import TextPort
from esper.gateway.replies.parts import Ending, Head
from esper.gateway.requests.asked import Request
from esper.gateway.service.progress import AnswerProgress
from esper.gateway.service.waiting.slot_desk import Ticket
from esper.gateway.store.repeats import Seen


@dataclass(frozen=True, slots=True)
class Price:
    """What a call may cost, and whether it is to be proven."""

    rate: int
    """Micro-credits a token for the answer."""
    proof: int | None
    """Micro-credits a token that a proof may bid; None: it is not to be proven."""
    reason: str | None = None
    """Why ``auto`` leaves it a promise."""

    def serve(self, prompt: int, answer: int) -> int:
        """Micro-credits for an answer."""
        return self.rate * (prompt + 4 * answer)

    def proving(self, prompt: int, answer: int) -> int:
        """Micro-credits that its proof may burn at most."""
        return (self.proof or 0) * (prompt + 4 * answer)

    def most(self, prompt: int, answer: int) -> int:
        """What is reserved."""
        return self.serve(prompt, answer) + self.proving(prompt, answer)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that waits or runs."""

    id: str
    """Also its receipt's: 32 hexadecimal digits."""
    account: Account
    request: Request
    model: EngineModel
    text: TextPort
    prompt: tuple[int, ...]
    """Tokens, BOS included."""
    public: int
    """Leading ones of them that are the template's; never any that a client wrote."""
    most: int
    """Tokens of answer at most."""
    price: Price
    ticket: Ticket
    begun_ns: int
    """By the monotonic clock."""
    created: int
    """Seconds since 1970."""

    @property
    def head(self) -> Head:
        """What all parts of its reply share."""
        return Head(self.id, self.created, self.request.model)

    @property
    def taken_tokens(self) -> int:
        """Counted against the minute at admission."""
        return len(self.prompt) + self.most


class Books(Protocol):
    """What is reserved, charged, signed and remembered; a server without a chain does nothing."""

    async def account(self, key: str) -> Account | None:
        """The usable account of a key as sent, None for a wrong one."""

    async def local(self) -> Account | None:
        """The usable account ``local``."""

    async def signed_in(self, session: str) -> Account | None:
        """The usable account ``console`` for a session of its cookie, None for a wrong one."""

    def refuse_if_unready(self) -> None:
        """Raises Refused while nothing is answered."""

    def prices(self, request: Request, account: Account) -> list[Price]:
        """What may be reserved, the first that the budget holds. Raises Refused."""

    async def begin(self, call: str, key: str, name: str | None, body: bytes, retry: int) -> Seen:
        """Note a request, or find the one that it repeats: ``Repeats.begin``."""

    async def stored(self, call: str) -> bytes | None:
        """The answer kept for repeats of a call."""

    async def forget(self, call: str) -> None:
        """It was refused or failed: its reservation is given back, a repeat begins anew."""

    async def reserve(self, call: str, account: Account, amount: int) -> bool:
        """Whether the budget holds it."""

    async def settle(self, call: Call, progress: AnswerProgress, ending: Ending) -> Ending:
        """Promise, row, charge and the repeats' answer of a whole answer, in one commit.

        The end with the reply's note; without a chain it has none.
        """

    async def settle_part(self, call: Call, progress: AnswerProgress) -> None:
        """The same for an answer whose client is gone, of at least one token. Nobody repeats it."""

    async def proven(self, call: Call, progress: AnswerProgress, ending: Ending) -> Ending:
        """The end once the chain holds the answer, or it is clear that it will not."""
