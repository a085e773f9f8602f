"""Making a transaction: the least fee for its bytes, then the signature over all of it."""

from dataclasses import replace
from typing import Final

from esper.crypto.signing import KeyPair
from esper.primitives.params import LimitParameters
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Payload, Transaction

SIGNATURE_ROOM: Final = 3_400
"""Bytes of an ML-DSA-65 signature and of a larger fee."""


def signed_transaction(
    key: KeyPair,
    payload: Payload,
    *,
    nonce: int,
    expiry: int,
    limits: LimitParameters,
    genesis_hash: bytes,
) -> Transaction:
    """A transaction of an ML-DSA-65 key, valid from now to height ``expiry``; it carries the key.

    Calls pay no fee, all others what ``limits`` ask for their bytes.
    """
    bare = Transaction(
        suite=key.suite,
        sender=key.address.to_bytes(),
        key=key.public,
        nonce=nonce,
        fee=0,
        not_before=0,
        expiry=expiry,
        payload=payload,
        signature=b"",
    )
    if not isinstance(payload, LlmCall):
        size = len(bare.to_bytes()) + SIGNATURE_ROOM
        bare = replace(bare, fee=limits.base_fee + limits.fee_per_byte * size)
    return replace(bare, signature=key.sign(bare.signing_digest(genesis_hash)))
