"""A transaction as it waits."""

from dataclasses import dataclass

from esper.mempool.call_score import call_tokens, score
from esper.primitives.ids import Txid
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction

RATE_BYTES = 1000
"""Fee rates are units per so many bytes, whole numbers."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A transaction and what is known of its arrival."""

    transaction: Transaction
    """It."""
    size: int
    """Wire bytes."""
    rate: int
    """What it offers: units per 1,000 bytes; for a call its score without ageing."""
    arrival_height: int
    """Height of the tip when it came."""
    arrived_ms: int
    """When it came."""
    order: int
    """Its place in the order of arrival at this node."""
    txid: Txid
    """64 bytes."""
    is_call: bool
    """Whether it pays credits instead of a fee."""

    @classmethod
    def of(
        cls, transaction: Transaction, arrival_height: int, arrived_ms: int, order: int
    ) -> "Waiting":
        """A transaction that arrives."""
        return cls(
            transaction=transaction,
            size=len(transaction.to_bytes()),
            rate=offered_rate(transaction),
            arrival_height=arrival_height,
            arrived_ms=arrived_ms,
            order=order,
            txid=transaction.txid,
            is_call=isinstance(transaction.payload, LlmCall),
        )

    @property
    def nonce(self) -> int:
        """The transaction's."""
        return self.transaction.nonce


def offered_rate(transaction: Transaction) -> int:
    """Units per 1,000 bytes, rounded down; for a call its score without ageing."""
    payload = transaction.payload
    if isinstance(payload, LlmCall):
        return score(payload.reserve, call_tokens(payload), 0)
    return transaction.fee * RATE_BYTES // len(transaction.to_bytes())
