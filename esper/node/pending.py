"""Transactions that wait for a block, in the order of arrival. The mempool to come replaces it."""

from collections.abc import Iterator
from typing import Final

from esper.primitives.params import NetworkParameters
from esper.vm.envelope_rules import check_isolated
from esper.vm.transaction import Transaction, decode_transaction

MAX_PENDING: Final = 4096
"""More are refused: the queue is bounded however fast they come."""


class QueueFullError(Exception):
    """No room for another transaction; wait for a block."""


class PendingTransactions:
    """A bounded queue, without doubles."""

    def __init__(self, params: NetworkParameters) -> None:
        self._limit = params.limits.transaction_bytes
        self._waiting: dict[bytes, Transaction] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._waiting.values()))

    def add(self, data: bytes) -> Transaction:
        """Read and queue a transaction; one that waits already stays where it is.

        Raises an IsolatedTransactionViolation or QueueFullError.
        """
        transaction = decode_transaction(data, self._limit)
        check_isolated(transaction)
        if transaction.txid not in self._waiting:
            if len(self._waiting) >= MAX_PENDING:
                raise QueueFullError(f"{MAX_PENDING} transactions wait already; try again later")
            self._waiting[transaction.txid] = transaction
        return transaction

    def remove(self, txid: bytes) -> None:
        """Forget a transaction, if it waits."""
        self._waiting.pop(txid, None)
