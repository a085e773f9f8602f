"""What waiting transactions bring to whom."""

from collections import Counter

from esper.primitives.ids import Txid
from esper.primitives.params import NetworkParameters
from esper.vm.records import account_path
from esper.vm.transaction import Transaction


class Incoming:
    """What waiting transfers bring to whom, and which of them need the receiver's account."""

    def __init__(self, params: NetworkParameters) -> None:
        self.params = params
        """What it was counted by."""
        self._dust = params.limits.dust
        self._credit_dust = params.credits.starting_allowance
        self._units: Counter[bytes] = Counter()
        self._needed_by: dict[bytes, set[Txid]] = {}
        self._needed_at: dict[bytes, bytes] = {}

    def copy(self) -> "Incoming":
        """Another of the same contents, which changes by itself."""
        copied = Incoming(self.params)
        copied._units = self._units.copy()
        copied._needed_by = {address: txids.copy() for address, txids in self._needed_by.items()}
        copied._needed_at = self._needed_at.copy()
        return copied

    def units(self, address: bytes) -> int:
        """Units that waiting transfers bring to an address."""
        return self._units.get(address, 0)

    def needed_at(self, path: bytes) -> bytes | None:
        """The address with this account path if some transaction needs its account."""
        return self._needed_at.get(path)

    def needed_by(self, address: bytes) -> list[Txid]:
        """Txids that are invalid if the address has no account: they bring it less than dust."""
        return sorted(self._needed_by.get(address, ()))

    def add(self, transaction: Transaction) -> None:
        """Count a transaction."""
        for receiver in self._small(transaction):
            if receiver not in self._needed_by:
                self._needed_by[receiver] = set()
                self._needed_at[account_path(receiver)] = receiver
            self._needed_by[receiver].add(transaction.txid)
        for output in transaction.payload.payments:
            self._units[output.receiver] += output.amount

    def remove(self, transaction: Transaction) -> None:
        """Count it no longer."""
        for receiver in self._small(transaction):
            needed = self._needed_by.get(receiver, set())
            needed.discard(transaction.txid)
            if not needed and self._needed_by.pop(receiver, None) is not None:
                del self._needed_at[account_path(receiver)]
        for output in transaction.payload.payments:
            self._units[output.receiver] -= output.amount
            if not self._units[output.receiver]:
                del self._units[output.receiver]

    def _small(self, transaction: Transaction) -> list[bytes]:
        payload = transaction.payload
        units = [one.receiver for one in payload.payments if one.amount < self._dust]
        return units + [one.receiver for one in payload.gifts if one.amount < self._credit_dust]
