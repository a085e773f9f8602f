"""Write the golden vectors of the signature suites.

    python -m tests.vectors.writers.write_signatures

Signing is hedged, so a signature that the file holds and that still fits is kept: running this
again changes nothing.
"""

import json
from pathlib import Path
from typing import Any

from esper.crypto.signatures import verify
from esper.crypto.signing import KeyPair, key_from_secret, key_from_seed

FILE = Path(__file__).parents[1] / "signatures.json"

SEED = bytes(range(32))
SLH_SECRET = bytes.fromhex(
    "0a1440ef89f22683fb602379e61b9ff626501da0c1777e14826d25dfe67310d0"
    "b7af5fc0bfcaffc93c8d1c3f0163afc60808c07ab6f13e56899770b049574443"
)
DIGEST = bytes(range(64))


def kept_signature(pair: KeyPair, digest: bytes, old: str | None) -> bytes:
    """The signature that the file already holds if it fits, a new one otherwise."""
    if old is not None and verify(pair.suite, pair.public, digest, bytes.fromhex(old)):
        return bytes.fromhex(old)
    return pair.sign(digest)


def vectors(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One known answer a suite; ``old`` is what the file holds."""
    signatures = {vector["suite"]: vector["signature"] for vector in old}
    return [
        {
            "suite": pair.suite,
            "secret": pair.secret.hex(),
            "key": pair.public.hex(),
            "address": pair.address.to_text("desp"),
            "digest": DIGEST.hex(),
            "signature": kept_signature(pair, DIGEST, signatures.get(pair.suite)).hex(),
        }
        for pair in (key_from_seed(1, SEED), key_from_secret(SLH_SECRET))
    ]


if __name__ == "__main__":
    old = json.loads(FILE.read_text()) if FILE.exists() else []
    FILE.write_text(json.dumps(vectors(old), indent=1) + "\n")
