"""Transactions from what is asked for: the exact fee, then the signature over all of it."""

from dataclasses import replace
from typing import Final

from esper.crypto.signatures import SCHEMES
from esper.crypto.signing import KeyPair
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.params import LimitParameters
from esper.vm.envelope_rules import check_isolated
from esper.vm.fees import fee_asked, least_fee
from esper.vm.payload import Payload
from esper.vm.transaction import Transaction
from esper.wallet.amounts import esp_text
from esper.wallet.errors import ExchangeFileError, NoSecretError

MAX_HEIGHT: Final = (1 << 32) - 1


def key_room(suite: int) -> bytes:
    """Zeros in the place of a key that whoever signs fills in: the fee is exact without it."""
    return bytes(SCHEMES[suite].key_bytes)


def unsigned(
    payload: Payload,
    *,
    sender: bytes,
    carries_key: bool,
    nonce: int,
    expiry: int,
    limits: LimitParameters,
    fee: int | None = None,
) -> Transaction:
    """A transaction without signature that is valid from now to height ``expiry``.

    ``sender`` is an address of 33 bytes, ``fee`` units; without one it is the least.
    """
    suite = sender[0]
    bare = Transaction(
        suite=suite,
        sender=sender,
        key=key_room(suite) if carries_key else b"",
        nonce=nonce,
        fee=0,
        not_before=0,
        expiry=min(expiry, MAX_HEIGHT),
        payload=payload,
        signature=b"",
    )
    return replace(bare, fee=least_fee(bare, limits) if fee is None else fee)


def signed(
    transaction: Transaction, key: KeyPair, genesis_hash: bytes, limits: LimitParameters
) -> Transaction:
    """The transaction with the key where room was left for it, and with its signature.

    Raises NoSecretError for a key of another address, ExchangeFileError for a transaction that no
    block could take.
    """
    if key.address.to_bytes() != transaction.sender:
        raise NoSecretError("the transaction is another address's: choose the wallet that holds it")
    if transaction.key == key_room(key.suite):
        transaction = replace(transaction, key=key.public)
    try:
        check_isolated(transaction)
    except RuleViolation as violation:
        raise ExchangeFileError(f"the transaction breaks a rule: {violation}") from violation
    least = fee_asked(transaction, limits)
    if transaction.fee < least:
        raise ExchangeFileError(
            f"the fee is {esp_text(transaction.fee)}, must be {esp_text(least)} at least"
        )
    if transaction.fee and not transaction.payload.PAYS_FEE:
        raise ExchangeFileError(f"the fee is {esp_text(transaction.fee)}, a call's must be 0 ESP")
    digest = transaction.signing_digest(genesis_hash)
    return replace(transaction, signature=key.sign(digest))
