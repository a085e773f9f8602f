"""Write the golden vectors of transactions by their fields: the envelope and every payload.

    python -m tests.vectors.writers.write_envelopes

Run it only to add vectors: bytes that change for an old vector break every chain that exists.
Signatures are bytes that count up; ``transactions.json`` has real ones.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from esper.dao import bodies
from esper.dao.benchmarks.report import ReportBody, report_bytes
from esper.dao.ready import ready_bytes
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId, Txid
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.governance.claim import Claim
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction, wire_form
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.vectors.fields import encoding
from tests.vectors.writers import write_dao as dao
from tests.vectors.writers.write_records import COINS, LONG, WORD, address, pattern

FILE = Path(__file__).parents[1] / "envelopes.json"

GENESIS_HASH = pattern(64, 200)
TOKENS = (0, 127, 128, 255, 256, 65_535, 65_536, WORD)


LONG_MODEL = replace(dao.MODEL, descriptor=pattern(49_152, 63))
PROPOSALS = (
    ("proposed model", Propose(1, 10**10, encode(bodies.MODEL_BODY, dao.MODEL))),
    ("proposed model, long descriptor", Propose(1, COINS, encode(bodies.MODEL_BODY, LONG_MODEL))),
    ("proposed change", Propose(2, 127, encode(bodies.CHANGE_BODY, dao.CHANGE))),
    ("proposed rollback", Propose(3, 128, encode(bodies.ROLLBACK_BODY, dao.ROLLBACK))),
)
PROPOSAL = Txid(pattern(64, 64))
VOTES = (
    ("vote, no", Vote(PROPOSAL, 0)),
    ("vote, yes", Vote(PROPOSAL, 1)),
    ("vote, abstention", Vote(PROPOSAL, 2)),
    ("delegation", Delegate(address(65))),
    ("delegation to nobody", Delegate(b"")),
)
CLAIMS = (
    ("report", Claim(1, COINS, report_bytes(ReportBody(PROPOSAL, 3, pattern(2048, 66))))),
    ("report, short", Claim(1, 127, report_bytes(ReportBody(PROPOSAL, 0, b"\1")))),
)
PROVEN = (
    ("rehearsed ticket", Prove(1, PROPOSAL, 300_000, ready_bytes(dao.READY))),
    ("rehearsed ticket, widest numbers", Prove(1, PROPOSAL, WORD, ready_bytes(dao.LATE_READY))),
)


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
        *(
            (name, enveloped(payload, 9 + at))
            for at, (name, payload) in enumerate(PROPOSALS + VOTES + PROVEN + CLAIMS)
        ),
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
