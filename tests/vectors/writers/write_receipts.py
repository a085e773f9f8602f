"""Write the golden vectors of receipts and of the mountain range over them.

    python -m tests.vectors.writers.write_receipts

Run it only to add vectors: bytes that change for an old vector break every chain that exists.
"""

import json
from pathlib import Path
from typing import Any

from esper.primitives.codec import encode
from esper.primitives.ids import Txid
from esper.primitives.mmr import Mmr
from esper.storage.receipt_log import USE_RECEIPTS, ReceiptLog
from esper.vm.receipt import RECEIPT, Receipt
from esper.vm.records import RECEIPTS
from tests.support.receipt_proofs import prove_receipt
from tests.support.storage.memory_store import MemoryStore
from tests.vectors.fields import encoding
from tests.vectors.writers.write_records import COINS, WORD, address, pattern

FILE = Path(__file__).parents[1] / "receipts.json"


def txid(start: int) -> Txid:
    return Txid(pattern(64, start))


COUNTS = (0, 1, 2, 3, 7, 8)
PROOFS = ((0, 1), (1, 2), (2, 3), (0, 7), (5, 7), (6, 7), (3, 8))
"""(index, count): leaves that are peaks, and ways through trees of every height."""

RECEIPTS_MADE = (
    ("transfer", Receipt(1, txid(0), address(1), 20_000, 0, 0, 0, 0)),
    ("stake", Receipt(2, txid(1), address(2), 127, 0, 0, 0, 0)),
    ("unstake", Receipt(3, txid(2), address(3), 128, 0, 0, 0, 0)),
    ("credit transfer", Receipt(4, txid(3), address(4), 255, 0, 0, 0, 0)),
    ("call, answered", Receipt(5, txid(4), address(5), 256, 770, 0, 77, 0)),
    ("call, left open", Receipt(5, txid(5), address(6), 65_536, 0, 5_210, 0, 0)),
    ("result, own", Receipt(6, txid(6), address(7), WORD + 1, 1_040, 0, 104, 1)),
    ("widest", Receipt(255, txid(7), address(8), COINS, COINS - 1, COINS - 2, WORD, 1)),
)


def proof(log: ReceiptLog, index: int, count: int) -> dict[str, Any]:
    """That one receipt is among the first ``count``."""
    made = prove_receipt(log, index, count)
    return {
        "index": index,
        "count": count,
        "siblings": [sibling.hex() for sibling in made.siblings],
        "other_peaks": [peak.hex() for peak in made.other_peaks],
    }


def document() -> dict[str, Any]:
    """The file's content."""
    items = [receipt.to_bytes() for _, receipt in RECEIPTS_MADE]
    store = MemoryStore()
    log = ReceiptLog(store)
    store.write(tuple(log.append(0, items)))
    ranges = []
    for count in COUNTS:
        found: Mmr = log.range(count)
        ranges.append(
            {
                "count": count,
                "peaks": [peak.hex() for peak in found.peaks],
                "root": found.root(USE_RECEIPTS).hex(),
                "record": encode(RECEIPTS, found).hex(),
            }
        )
    return {
        "receipts": [encoding(RECEIPT, receipt, name) for name, receipt in RECEIPTS_MADE],
        "ranges": ranges,
        "proofs": [proof(log, index, count) for index, count in PROOFS],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
