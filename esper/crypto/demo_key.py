"""The key of the demonstration wallet: everyone holds it. Networks without value pay it."""

import hashlib
from typing import Final

from esper.crypto.signing import KeyPair, key_from_seed
from esper.primitives.address import SUITE_ML_DSA_65

DEMO_SEED: Final = hashlib.sha3_256(b"Esperchain demonstration wallet").digest()
"""32 bytes."""


def demo_key() -> KeyPair:
    """The key pair, the same on every machine."""
    return key_from_seed(SUITE_ML_DSA_65, DEMO_SEED)
