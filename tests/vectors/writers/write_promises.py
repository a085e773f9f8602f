"""Write the golden vectors of what gateways sign, and of models as receipts name them.

    python -m tests.vectors.writers.write_promises

Run it only to add vectors: bytes that change for an old vector break every receipt that exists.
Signing is hedged, so a signature that the file holds and that still fits is kept.
"""

import json
from pathlib import Path
from typing import Any

from esper.crypto.signing import key_from_seed
from esper.dao.registry import Puzzle
from esper.primitives.address import SUITE_ML_DSA_65, Address
from esper.primitives.ids import ModelId
from esper.receipts.form import request_bytes
from esper.receipts.links.model import NAMED_MODEL
from esper.receipts.parts import AskedFor, Message
from esper.receipts.ports import NamedModel
from esper.receipts.promise import PROMISE_RECORD, Promise, promise_digest, request_hash
from tests.vectors.fields import encoding
from tests.vectors.writers.write_records import WORD, entry, pattern
from tests.vectors.writers.write_signatures import kept_signature

FILE = Path(__file__).parents[1] / "promises.json"

KEY = key_from_seed(SUITE_ML_DSA_65, pattern(32, 7))
GATEWAY = Address.of_key(SUITE_ML_DSA_65, KEY.public).to_bytes()

REQUESTS = (
    ("a text", AskedFor("completions", "esper-t0", "Once upon a time", 12, ())),
    ("nothing", AskedFor("ollama", "", "", 0, ())),
    ("tokens", AskedFor("completions", "ab" * 64, (1, 0, WORD), (1 << 53) - 1, ("\n",))),
    (
        "a chat",
        AskedFor(
            "chat.completions",
            "esper-t0",
            (
                Message("system", 'Say "no".\\/\b\f\n\r\t\x00\x1f'),
                Message("user", "What\u2019s \U0001f600 \x7f\u00e9\uffff?"),
                Message("assistant", ""),
            ),
            128,
            ("a", "\u2028", '"', "\\"),
        ),
    ),
    ("a response", AskedFor("responses", "esper-t255", "~ !", 1, ("Tim",))),
)


def requests() -> list[dict[str, Any]]:
    """What was asked, as a receipt has it, and the hash that a promise keeps."""
    return [
        {
            "case": name,
            "bytes": request_bytes(one).decode("ascii"),
            "hash": request_hash(one).hex(),
        }
        for name, one in REQUESTS
    ]


def promises(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with what is signed, the key and the signature; ``old`` are those of the file."""
    signatures = {vector["case"]: vector["signature"] for vector in old}
    asked = request_hash(REQUESTS[0][1])
    widest = (0, 127, 128, 255, 256, 65_535, 65_536, WORD) * 128
    values = (
        ("plain", Promise(pattern(64, 1), GATEWAY, model(2), (1, 5, 6), 12, (7, 2), asked, 300)),
        ("nothing", Promise(bytes(64), GATEWAY, model(3), (), 0, (), bytes(64), 0)),
        (
            "widest",
            Promise(
                *(pattern(64, 4), GATEWAY, model(5), widest, 65_535, widest[:128], asked, WORD)
            ),
        ),
    )
    found = []
    for name, promise in values:
        digest = promise_digest(promise.to_bytes())
        vector = encoding(PROMISE_RECORD, promise, name)
        found.append(
            vector
            | {
                "digest": digest.hex(),
                "key": KEY.public.hex(),
                "signature": kept_signature(KEY, digest, signatures.get(name)).hex(),
            }
        )
    return found


def model(start: int) -> ModelId:
    """An id."""
    return ModelId(pattern(64, start))


def models() -> list[dict[str, Any]]:
    """Entry and ticket, as they stand in ``models``."""
    first, other = entry(0, 17, (1, 2)), entry(255, 20, (0, 127, 1023))
    values = (
        ("first", NamedModel(first.model, Puzzle(1, 64, 49, 16))),
        ("other", NamedModel(other.model, other.puzzle)),
    )
    return [encoding(NAMED_MODEL, value, name) for name, value in values]


def document(old: dict[str, Any]) -> dict[str, Any]:
    """The file's content; ``old`` is what it holds."""
    return {
        "requests": requests(),
        "promises": promises(old.get("promises", [])),
        "models": models(),
    }


if __name__ == "__main__":
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    FILE.write_text(json.dumps(document(known), indent=1) + "\n")
