"""What the driver of the proving line needs from its surroundings."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from esper.gateway.proving_rows import Block, Conditions, Row, Sign, Step, Version
from esper.gateway.store.line import KeptLine, NotBooked


class NotSignedError(Exception):
    """What is to be signed cannot be now; the sentence says what helps."""

    def __init__(self, sentence: str, *, is_lost: bool = False) -> None:
        super().__init__(sentence)
        self.is_lost = is_lost
        """Whether it never can be."""


class NotTakenError(Exception):
    """A mempool refused a transaction; it is sent again later."""


class ChainMoment(Protocol):
    """The chain as it stood after one whole change."""

    @property
    def height(self) -> int:
        """Of its tip."""

    def block_id(self, height: int) -> bytes | None:
        """64 bytes: id of its block at a height, None above the tip."""

    async def block(self, height: int, open_calls: Mapping[bytes, int]) -> Block:
        """What its block at a height holds of the account.

        ``open_calls``: heights of the blocks of the account's calls that wait for an answer
        before it, by txid.
        """

    def conditions(self) -> Conditions:
        """At its tip, and by the mempool and the clock of now."""


class ChainPort(Protocol):
    """The chain and the mempool of a node."""

    def now(self) -> ChainMoment:
        """The chain as it stands."""

    async def send(self, version: Version) -> None:
        """Give a transaction to the mempool, again too. Raises NotTakenError."""


class LinePort(Protocol):
    """The line in the database. All raise StoreError."""

    async def load(self) -> KeptLine:
        """What is kept."""

    async def commit(self, step: Step) -> list[NotBooked]:
        """All of a step that is to be kept; what the books refused of it."""

    async def begin(self, blocks: list[tuple[int, bytes]]) -> None:
        """The chain's last blocks, upwards, at the first start of all."""


SignCall = Callable[[Sign, Row | None], Awaitable[tuple[bytes, bytes]]]
"""Txid and bytes of a transaction; the row is None for a cancel. Raises NotSignedError."""

StepTaken = Callable[[Step], None]
"""Told of each step once it is kept, on the event loop; returns at once."""


class ReceiptNotMadeError(Exception):
    """The chain holds no receipt of a call now; the sentence says why."""

    def __init__(self, sentence: str, lacking: str = "") -> None:
        super().__init__(sentence)
        self.lacking = lacking
        """A word where it never will: too_large, damaged."""


@dataclass(frozen=True, slots=True)
class ProvenReceipt:
    """A receipt of an answer in a block."""

    data: bytes
    """Its bytes."""
    block_id: bytes
    """64 bytes: the block that holds the answer."""
    anchor: tuple[int, bytes] | None
    """Height and id of the later block that it names, None while there is none deep enough."""


class ReceiptMaker(Protocol):
    """Makes receipts of proven calls from the chain as it stands."""

    async def make(self, txid: bytes, promise: bytes) -> ProvenReceipt:
        """The receipt of a call with its promise, and with an anchor as soon as there is one.

        Raises ReceiptNotMadeError.
        """

    def read(self, receipt: bytes) -> ProvenReceipt | None:
        """What a receipt is of that was made before; None for one that nobody can read."""
