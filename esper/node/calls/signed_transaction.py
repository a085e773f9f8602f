"""Making a transaction: the least fee for its bytes, then the signature over all of it."""

from dataclasses import replace
from typing import Final

from esper.consensus.context import ChainContext
from esper.crypto.signing import KeyPair
from esper.node.workers.call_answerer import AnsweredCall
from esper.primitives.params import LimitParameters
from esper.vm.fees import least_fee
from esper.vm.governance.prove import Prove
from esper.vm.llm_result import LlmResult
from esper.vm.payload import Payload
from esper.vm.transaction import Transaction

RESULT_WINDOW: Final = 100
"""Blocks that a miner's own LlmResult stays valid."""


def signed_result(
    key: KeyPair, chain: ChainContext, limits: LimitParameters, answered: AnsweredCall, nonce: int
) -> Transaction:
    """The LlmResult of an answer to a lane of ``chain``, valid from its next block on.

    ``limits`` are those in force there.
    """
    return signed_transaction(
        key,
        LlmResult(answered.call_id, answered.answer),
        nonce=nonce,
        expiry=chain.height + RESULT_WINDOW,
        limits=limits,
        genesis_hash=chain.genesis_hash,
    )


def signed_prove(
    key: KeyPair, chain: ChainContext, limits: LimitParameters, prove: Prove, nonce: int
) -> Transaction:
    """A Prove for the next block of ``chain``, by the ``limits`` in force there."""
    return signed_transaction(
        key,
        prove,
        nonce=nonce,
        expiry=chain.height + RESULT_WINDOW,
        limits=limits,
        genesis_hash=chain.genesis_hash,
    )


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

    Calls pay no fee, all others exactly what ``limits`` ask for their bytes.
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
    bare = replace(bare, fee=least_fee(bare, limits))
    return replace(bare, signature=key.sign(bare.signing_digest(genesis_hash)))
