"""What the market's server asks of its provider, and what a client may call."""

from collections.abc import AsyncIterator
from enum import IntEnum
from typing import Protocol

from esper.p2p.market.messages import Ask, Data, Draw, Offer, Pay, Report, Score, SignedRecord


class RefusalWord(IntEnum):
    """Why a provider does not do what it was asked, on the wire."""

    BUSY = 0
    """All its places are taken; later."""
    NOT_READY = 1
    """It is not synced, or its model is not loaded."""
    SESSION = 2
    """The session is not open with this provider, or is full."""
    TURN = 3
    """Another turn, or acks that it does not have."""
    SIGNATURE = 4
    """Not signed by the session's signer."""
    PROMPT = 5
    """The prompt is not what the request says, or longer than the model takes."""
    EXPIRED = 6
    """The height after which no answer is wanted has passed."""
    NOT_DRAWN = 7
    """The state does not draw this verifier for that claim."""
    BELOW_FLOOR = 8
    """The draw pays less than this verifier works for."""


class RefusedError(Exception):
    """Something was refused."""

    def __init__(self, word: RefusalWord) -> None:
        """``word`` says why."""
        super().__init__(word.name.lower().replace("_", " "))
        self.word = word


class ProviderDesk(Protocol):
    """A provider, as the market's server asks it. Each call may raise RefusedError."""

    def offer(self) -> Offer:
        """What it asks for."""

    def score(self) -> Score:
        """What it did lately."""

    def request(self, ask: Ask) -> AsyncIterator[tuple[int, ...] | SignedRecord]:
        """Token ids as they come, and behind the last ones the signed record, once."""

    async def pay(self, pay: Pay) -> None:
        """Keeps an acknowledgement; it is durable when this returns."""

    async def draw(self, draw: Draw, data: tuple[Data, ...]) -> None:
        """Takes a claim that this provider was drawn for, and what it is to replay."""

    async def report(self, report: Report) -> None:
        """Takes what a verifier found about a claim of this provider."""


class MarketConnection(Protocol):
    """A connection to a provider, as a client calls it. Each call may raise RefusedError."""

    async def offer(self) -> Offer:
        """What the provider asks for."""

    async def score(self) -> Score:
        """What the provider says it did lately."""

    def ask(self, ask: Ask) -> AsyncIterator[tuple[int, ...] | SignedRecord]:
        """Token ids as they come, and behind the last ones the signed record, once."""

    async def pay(self, pay: Pay) -> None:
        """Returns once the provider has the acknowledgement."""

    async def send_draw(self, draw: Draw, data: tuple[Data, ...]) -> None:
        """Shows a verifier a drawn claim and what it is to replay."""

    async def send_report(self, report: Report) -> None:
        """Shows a provider what was found about its claim."""
