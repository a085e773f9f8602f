"""The books of a server without a chain: nobody pays, nothing is signed or remembered."""

from dataclasses import dataclass
from typing import Final

from esper.gateway.keys import LOCAL_ID, Account, Scope
from esper.gateway.refusals import Refused
from esper.gateway.replies.parts import Ending
from esper.gateway.requests.asked import Prove, Request, Wait
from esper.gateway.service.books.calls import Call, Price
from esper.gateway.service.progress import AnswerProgress
from esper.gateway.store.repeats import Fresh, Seen

ANYONE: Final = Account(
    id=LOCAL_ID,
    hash=b"",
    name=LOCAL_ID,
    scopes=frozenset({Scope.INFER}),
    budget=0,
    period_ms=86_400_000,
    requests_per_minute=1_000_000,
    tokens_per_minute=1_000_000_000,
    streams=1_024,
    max_price=0,
    created_ms=0,
)
"""Whoever reaches the server."""


@dataclass(frozen=True, slots=True)
class LocalBooks:
    """See ``Books``."""

    async def account(self, key: str) -> Account | None:
        """No keys are made here, so none is right."""
        return None

    async def local(self) -> Account | None:
        """Everyone."""
        return ANYONE

    async def signed_in(self, session: str) -> Account | None:
        """Nobody signs in here."""
        return None

    def refuse_if_unready(self) -> None:
        """It answers as long as its engine does."""

    def prices(self, request: Request, account: Account) -> list[Price]:
        """Nothing. Raises Refused where a proof is asked for."""
        if request.prove is Prove.ALWAYS or request.wait is Wait.PROVEN:
            field = "esper.prove" if request.prove is Prove.ALWAYS else "esper.wait"
            raise Refused(
                "unsupported_value", f"{field}: this server has no chain to prove on", field
            )
        return [Price(0, None)]

    async def begin(self, call: str, key: str, name: str | None, body: bytes, retry: int) -> Seen:
        """Equal requests have equal answers, which cost nothing."""
        return Fresh()

    async def stored(self, call: str) -> bytes | None:
        """None."""
        return None

    async def forget(self, call: str) -> None:
        """Nothing was noted."""

    async def reserve(self, call: str, account: Account, amount: int) -> bool:
        """There is no budget."""
        return True

    async def settle(self, call: Call, progress: AnswerProgress, ending: Ending) -> Ending:
        """Without a note."""
        return ending

    async def settle_part(self, call: Call, progress: AnswerProgress) -> None:
        """Nothing to keep."""

    async def proven(self, call: Call, progress: AnswerProgress, ending: Ending) -> Ending:
        """It never is."""
        return ending
