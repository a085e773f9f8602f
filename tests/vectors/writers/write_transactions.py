"""Write the golden vectors of transactions: one of each kind, and the edges of the envelope.

    python -m tests.vectors.writers.write_transactions

Run it only to add vectors. Keys grow from fixed seeds; signing is hedged, so a signature that the
file holds and that still fits is kept, and running this again changes nothing.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from esper.crypto.signing import KeyPair, key_from_secret, key_from_seed
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
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.vectors.writers import write_dao as dao
from tests.vectors.writers.write_signatures import SLH_SECRET, kept_signature

FILE = Path(__file__).parents[1] / "transactions.json"

LIMIT = 1 << 16
GENESIS_HASH = bytes(range(64))
"""Of no network: the numbers of the networks may change, these vectors may not."""

MODEL_ID = ModelId(bytes(range(64, 128)))
CALL_ID = Txid(bytes(range(128, 192)))
PROPOSAL = Txid(bytes(range(160, 224)))
ALICE, BOB = (key_from_seed(1, bytes([number]) * 32) for number in (1, 2))
CAROL = key_from_secret(SLH_SECRET)


def address(key: KeyPair) -> bytes:
    return key.address.to_bytes()


def envelope(sender: KeyPair, payload: Payload, *, with_key: bool, **parts: int) -> Transaction:
    """A transaction without a signature."""
    numbers = {"nonce": 3, "fee": 20_000, "not_before": 100, "expiry": 70_000} | parts
    return Transaction(
        suite=sender.suite,
        sender=address(sender),
        key=sender.public if with_key else b"",
        payload=payload,
        signature=b"",
        **numbers,
    )


def cases() -> list[tuple[str, KeyPair, Transaction]]:
    """Name, signer and transaction without a signature."""
    to_bob = Transfer((Output(address(BOB), 150_000), Output(address(CAROL), 1)))
    most = Transfer((Output(address(BOB), (1 << 63) - 1),))
    call = LlmCall(MODEL_ID, (0, 127, 128, 255, 256, 65_535, 65_536), max_tokens=128, price=10)
    widest = {
        "nonce": (1 << 64) - 1,
        "fee": (1 << 63) - 1,
        "not_before": (1 << 32) - 1,
        "expiry": (1 << 32) - 1,
    }
    model = Propose(1, 10**10, encode(bodies.MODEL_BODY, dao.MODEL))
    claim = Claim(1, 25 * 10**6, report_bytes(ReportBody(PROPOSAL, 1, b"\x15")))
    ready = Prove(1, PROPOSAL, 300_000, ready_bytes(dao.READY))
    return [
        ("transfer", ALICE, envelope(ALICE, to_bob, with_key=True, nonce=0)),
        ("transfer, known key", ALICE, envelope(ALICE, to_bob, with_key=False)),
        ("transfer, widest numbers", ALICE, envelope(ALICE, most, with_key=False, **widest)),
        ("transfer, suite 2", CAROL, envelope(CAROL, to_bob, with_key=True)),
        ("stake", BOB, envelope(BOB, Stake(10**10), with_key=False)),
        ("unstake", BOB, envelope(BOB, Unstake(1), with_key=False)),
        (
            "credit transfer",
            ALICE,
            envelope(ALICE, CreditTransfer(address(CAROL), 10**6), with_key=False),
        ),
        ("call", BOB, envelope(BOB, call, with_key=False, fee=0)),
        ("result", BOB, envelope(BOB, LlmResult(CALL_ID, (5, 300, 2)), with_key=False)),
        ("propose", ALICE, envelope(ALICE, model, with_key=True)),
        ("vote", BOB, envelope(BOB, Vote(PROPOSAL, 1), with_key=False)),
        ("delegate", ALICE, envelope(ALICE, Delegate(address(BOB)), with_key=False)),
        ("claim", BOB, envelope(BOB, claim, with_key=False)),
        ("prove", BOB, envelope(BOB, ready, with_key=False)),
    ]


def vector(name: str, signer: KeyPair, bare: Transaction, old: str | None) -> dict[str, Any]:
    """One transaction's bytes, digest and ids; ``old`` is a signature that may be kept."""
    digest = bare.signing_digest(GENESIS_HASH)
    signed = replace(bare, signature=kept_signature(signer, digest, old))
    return {
        "name": name,
        "kind": signed.kind,
        "suite": signed.suite,
        "public_key": signer.public.hex(),
        "bytes": signed.to_bytes().hex(),
        "digest": digest.hex(),
        "txid": signed.txid.hex(),
        "wtxid": signed.wtxid.hex(),
    }


def document(old: dict[str, Any]) -> dict[str, Any]:
    """All vectors; ``old`` is what the file holds."""
    signatures = {
        entry["name"]: decode_transaction(bytes.fromhex(entry["bytes"]), LIMIT).signature.hex()
        for entry in old.get("transactions", [])
    }
    return {
        "genesis_hash": GENESIS_HASH.hex(),
        "transactions": [
            vector(name, signer, bare, signatures.get(name)) for name, signer, bare in cases()
        ],
    }


if __name__ == "__main__":
    old = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(document(old), indent=1) + "\n")
