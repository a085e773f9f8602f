"""Write the golden vectors of transactions by their fields: the envelope and all six payloads.

    python -m tests.vectors.writers.write_envelopes

Run it only to add vectors: bytes that change for an old vector break every chain that exists.
Signatures are bytes that count up; ``transactions.json`` has real ones.
"""

import json
from pathlib import Path
from typing import Any

from esper.primitives.ids import ModelId, Txid
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction, wire_form
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.vectors.fields import encoding
from tests.vectors.writers.write_records import COINS, LONG, WORD, address, pattern

FILE = Path(__file__).parents[1] / "envelopes.json"

GENESIS_HASH = pattern(64, 200)
TOKENS = (0, 127, 128, 255, 256, 65_535, 65_536, WORD)


def enveloped(payload: Payload, start: int, **parts: Any) -> Transaction:
    """A transaction around ``payload`` whose fields all differ."""
    fields: dict[str, Any] = {
        "suite": 1,
        "sender": address(start),
        "key": b"",
        "nonce": start,
        "fee": 20_000 + start,
        "not_before": 100 + start,
        "expiry": 70_000 + start,
        "signature": pattern(80, start + 1),
    }
    return Transaction(payload=payload, **(fields | parts))


def cases() -> tuple[tuple[str, Transaction], ...]:
    """What is special, and a transaction."""
    many = tuple(Output(address(number), 1 << number) for number in range(17))
    widest = {"nonce": LONG, "fee": COINS, "not_before": WORD, "expiry": WORD}
    return (
        ("one output", enveloped(Transfer((Output(address(9), 150_000),)), 0)),
        ("seventeen outputs", enveloped(Transfer(many), 1)),
        ("key of suite 2", enveloped(Stake(10**10), 2, suite=2, key=pattern(32, 50))),
        ("widest numbers", enveloped(Stake(COINS), 3, **widest)),
        ("long signature", enveloped(Unstake(1), 4, signature=pattern(256, 0))),
        ("credits", enveloped(CreditTransfer(address(8), 10**6), 5)),
        ("call", enveloped(LlmCall(ModelId(pattern(64, 60)), TOKENS, 128, 10), 6, fee=0)),
        ("dearest call", enveloped(LlmCall(ModelId(pattern(64, 61)), (1,), 65_535, WORD), 7)),
        ("result", enveloped(LlmResult(Txid(pattern(64, 62)), (*TOKENS, 2)), 8)),
    )


def vector(name: str, transaction: Transaction) -> dict[str, Any]:
    """Bytes, ids and digest of one transaction."""
    return encoding(wire_form(type(transaction.payload)), transaction, name) | {
        "payload": type(transaction.payload).__name__,
        "txid": transaction.txid.hex(),
        "wtxid": transaction.wtxid.hex(),
        "digest": transaction.signing_digest(GENESIS_HASH).hex(),
    }


def document() -> dict[str, Any]:
    """The file's content."""
    return {
        "genesis_hash": GENESIS_HASH.hex(),
        "transactions": [vector(name, transaction) for name, transaction in cases()],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
