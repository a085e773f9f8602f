"""Receipts in the index: their bytes, and the mountain range over them.

"r" || index as u64                 a receipt
"m" || level as u8 || index as u64  a node of the range, see ``node_log``
"""

from collections.abc import Iterator, Sequence
from typing import Final

from esper.primitives.hashing import make_tag, u64
from esper.primitives.mmr import Mmr
from esper.storage.errors import REINDEX, StorageError
from esper.storage.kv.store_port import KeyValueView, Write
from esper.storage.node_log import NodeLog

USE_RECEIPTS: Final = make_tag("esper/receipts/v1")


class ReceiptMissingError(StorageError):
    """The index lacks a receipt."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the index has no {what}; {REINDEX}")


class ReceiptLog:
    """The receipts of all blocks of the chain, in order."""

    def __init__(self, store: KeyValueView) -> None:
        self._store = store
        self.nodes = NodeLog(store, b"m", "receipt")
        """Those of the range over them."""

    def range(self, count: int) -> Mmr:
        """The mountain range over the first ``count`` receipts. Raises NodeMissingError."""
        return self.nodes.range(count)

    def receipt(self, index: int) -> bytes:
        """The bytes of a receipt. Raises ReceiptMissingError."""
        found = self._store.get(_receipt_key(index))
        if found is None:
            raise ReceiptMissingError(f"receipt {index}")
        return found

    def append(self, count: int, receipts: Sequence[bytes]) -> Iterator[Write]:
        """The writes that put ``receipts`` behind the first ``count``."""
        for place, receipt in enumerate(receipts):
            yield _receipt_key(count + place), receipt
        yield from self.nodes.append(count, receipts)

    def remove(self, kept: int, count: int) -> Iterator[Write]:
        """The writes that take off all but the first ``kept`` of ``count`` receipts."""
        for index in range(kept, count):
            yield _receipt_key(index), None
        yield from self.nodes.remove(kept, count)


def _receipt_key(index: int) -> bytes:
    return b"r" + u64(index)
