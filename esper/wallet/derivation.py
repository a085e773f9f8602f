"""From 32 bytes of entropy to the seeds of keys: a tree whose every step is hardened.

    master        = SHAKE256(tag esper/wallet/seed/v1  || entropy)                    64 bytes
    child(n, i)   = SHAKE256(tag esper/wallet/child/v1 || n || i as u32, big-endian)  64 bytes
    key seed      = SHAKE256(tag esper/wallet/key/v1   || n)                          32 bytes

A tag is padded with zero bytes to 32. The path is network / account / index, so that the same words
give other keys on another network. Nobody who knows a key's seed, or any node, can go up or aside.
"""

from typing import Final

from esper.crypto.signing import KeyPair, key_from_seed
from esper.primitives.address import SUITE_ML_DSA_65
from esper.primitives.hashing import Tag, Xof, make_tag, u32
from esper.wallet.words import ENTROPY_BYTES

TAG_MASTER: Final = make_tag("esper/wallet/seed/v1")
TAG_CHILD: Final = make_tag("esper/wallet/child/v1")
TAG_KEY: Final = make_tag("esper/wallet/key/v1")

NODE_BYTES: Final = 64
SEED_BYTES: Final = 32

NETWORK_NUMBERS: Final = {"mainnet": 0, "testnet": 1, "devnet": 2, "regtest": 3}
"""First step of a path. They never change."""


def key_seed(entropy: bytes, network: str, account: int, index: int) -> bytes:
    """32 bytes: the ML-DSA-65 seed at a path.

    ``account`` and ``index`` are in [0, 2^32). Raises ValueError for entropy of another length than
    32 bytes, KeyError for an unknown network, OverflowError for numbers outside the range.
    """
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"entropy has {len(entropy)} bytes, must have {ENTROPY_BYTES}")
    node = _squeeze(TAG_MASTER, entropy)
    for step in (NETWORK_NUMBERS[network], account, index):
        node = _squeeze(TAG_CHILD, node, u32(step))
    return _squeeze(TAG_KEY, node)[:SEED_BYTES]


def derived_key(entropy: bytes, network: str, account: int, index: int) -> KeyPair:
    """The key pair at a path; raises as ``key_seed``."""
    return key_from_seed(SUITE_ML_DSA_65, key_seed(entropy, network, account, index))


def _squeeze(tag: Tag, *parts: bytes) -> bytes:
    return Xof(tag, *parts).read(NODE_BYTES)
