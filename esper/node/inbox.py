"""Transactions handed to a data directory as files, until the mempool takes them over RPC.

inbox/<txid>.tx     canonical bytes, whole or not there; kept until they are in the chain
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from esper.primitives.hashing import HASH_BYTES
from esper.primitives.params import NetworkParameters
from esper.vm.envelope_rules import check_isolated
from esper.vm.transaction import Transaction, decode_transaction

INBOX_FOLDER: Final = "inbox"
SUFFIX: Final = ".tx"
TXID_NAME: Final = re.compile(f"[0-9a-f]{{{2 * HASH_BYTES}}}")


class Inbox:
    """The waiting files of a data directory."""

    def __init__(self, datadir: Path, params: NetworkParameters) -> None:
        self._folder = datadir / INBOX_FOLDER
        self._limit = params.limits.transaction_bytes

    def put(self, data: bytes) -> Transaction:
        """Check a transaction as far as it can be by itself, and leave it for the node.

        Raises an IsolatedTransactionViolation, or OSError.
        """
        transaction = decode_transaction(data, self._limit)
        check_isolated(transaction)
        self._folder.mkdir(exist_ok=True)
        path = self._folder / (transaction.txid.hex() + SUFFIX)
        unfinished = path.with_suffix(f".{os.getpid()}")
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        return transaction

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """(txid by the file's name, bytes) of what waits, oldest first.

        Oversized files and those that are named otherwise never.
        """
        if not self._folder.exists():
            return
        files = [(path.stat().st_mtime_ns, path) for path in self._folder.glob("*" + SUFFIX)]
        for _, path in sorted(files):
            if path.stat().st_size <= self._limit and TXID_NAME.fullmatch(path.stem):
                yield bytes.fromhex(path.stem), path.read_bytes()

    def remove(self, txid: bytes) -> None:
        """Forget a transaction, if it waits."""
        (self._folder / (txid.hex() + SUFFIX)).unlink(missing_ok=True)
