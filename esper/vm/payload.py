"""What a transaction of any kind says of itself. A new kind is a subclass and a line in ``kinds``.

The envelope rules, execution, receipts, the mempool, the history and the wallet ask these questions
and none about single kinds, unless a kind has something that no other has.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Codec, FixedBytes, Record, Unsigned
from esper.primitives.ids import Txid
from esper.vm.context import Answer, Effect, ExecutionContext
from esper.vm.ledger import Ledger

Schema = tuple[tuple[str, Codec[Any]], ...]
"""Name and codec of each field, in wire order."""


@dataclass(frozen=True, slots=True)
class Output:
    """Who gets how much."""

    receiver: bytes
    """33 bytes: an address."""
    amount: int
    """Units, or micro-credits where credits are given."""


OUTPUT: Final = Record(
    Output, None, (("receiver", FixedBytes(ADDRESS_BYTES)), ("amount", Unsigned(63)))
)


class Inclusion(NamedTuple):
    """How a transaction stands in its block."""

    txid: Txid
    """64 bytes: what it makes is found under this id."""
    answer: Answer | None = None
    """The answer that the block brings with it, None if it takes none or is left open."""


class Payload:
    """What a transaction does. Subclasses are frozen dataclasses with the fields of their schema.

    Abstract methods are for the type checker alone: a metaclass would slow each ``isinstance``.
    """

    __slots__ = ()

    KIND: ClassVar[int]
    """Number on the wire, 1 to 255; 0 is the coinbase's."""
    NAME: ClassVar[str]
    """Name that people and clients see: lower case, words joined by hyphens."""
    SCHEMA: ClassVar[Schema]
    """The body on the wire; the names are those of the dataclass."""
    PAYS_FEE: ClassVar[bool] = True
    """Whether its bytes cost a fee; if not, it pays in credits and its fee is 0."""
    TAKES_ANSWER: ClassVar[bool] = False
    """Whether the body of its block has a result for it, be it that none is there yet."""
    RELAYED: ClassVar[bool] = True
    """Whether it may wait by itself; if not, it comes only in blocks, with a proof."""

    @property
    def outlay(self) -> int:
        """Units that the sender needs beside the fee."""
        return 0

    @property
    def room_bytes(self) -> int:
        """Bytes that it takes in a block beside its own, and pays for as for its own."""
        return 0

    @property
    def credits_needed(self) -> int:
        """Micro-credits that the sender must be free to use."""
        return 0

    @property
    def payments(self) -> tuple[Output, ...]:
        """Units that it brings to balances, part of the outlay; in the order of the payload."""
        return ()

    @property
    def gifts(self) -> tuple[Output, ...]:
        """Micro-credits that it brings to others, part of the credits needed."""
        return ()

    @abstractmethod
    def check_isolated(self) -> None:
        """The rules that need no state. Raises a TransactionViolation."""

    @abstractmethod
    def check_in_context(self, sender: bytes, ledger: Ledger, context: ExecutionContext) -> None:
        """The rules that need the state; those of the envelope hold. Raises a TransactionViolation.

        ``sender`` is the address that signs, 33 bytes. Nothing is changed.
        """

    @abstractmethod
    def apply(
        self, sender: bytes, ledger: Ledger, context: ExecutionContext, inclusion: Inclusion
    ) -> Effect:
        """What it does, once all rules hold and fee, nonce and key are in the ledger.

        Raises a TransactionViolation for what only the block decides.
        """
