"""Write the golden vectors of the wallet: words, entropy, seeds and addresses.

python -m tests.vectors.writers.write_wallet
"""

import json
from pathlib import Path
from typing import Any

from esper.primitives.networks import NETWORKS
from esper.wallet.derivation import derived_key
from esper.wallet.words import words_of

FILE = Path(__file__).parents[1] / "wallet.json"

ENTROPIES = (bytes(32), bytes(range(32)), bytes([0xFF]) * 32)
PATHS = ((0, 0), (0, 1), (1, 0), (0, (1 << 32) - 1))


def keys(entropy: bytes) -> list[dict[str, Any]]:
    """Every path on every network."""
    found = []
    for name, params in NETWORKS.items():
        for account, index in PATHS:
            key = derived_key(entropy, name, account, index)
            found.append(
                {
                    "network": name,
                    "account": account,
                    "index": index,
                    "seed": key.secret.hex(),
                    "address": key.address.to_text(params.address_prefix),
                }
            )
    return found


def document() -> dict[str, Any]:
    """The file's content."""
    wallets = [
        {"entropy": entropy.hex(), "words": words_of(entropy), "keys": keys(entropy)}
        for entropy in ENTROPIES
    ]
    return {"wallets": wallets}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
