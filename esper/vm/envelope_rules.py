"""Rules that all kinds of transactions keep.

In isolation: 1. suite  2. key  3. window  4. the kind's own  5. sum
In context:   6. height  7. fee  8. nonce  9. key known  10. funds  11. the kind's own
              12. signature, apart, so that a whole block's can be checked at once
"""

from esper.crypto.signatures import SCHEMES, SignatureClaim
from esper.primitives.address import Address
from esper.primitives.errors.transaction_errors import (
    ExpiredViolation,
    FeeViolation,
    FundsViolation,
    KeyUnknownViolation,
    KeyViolation,
    NonceGapViolation,
    NonceUsedViolation,
    NotYetValidViolation,
    SignatureViolation,
    SuiteViolation,
    SumViolation,
    WindowViolation,
)
from esper.primitives.params import LimitParameters
from esper.primitives.units import MAX_AMOUNT
from esper.vm.context import ExecutionContext
from esper.vm.fees import fee_of_bytes
from esper.vm.ledger import Ledger
from esper.vm.records import KnownKey
from esper.vm.transaction import Transaction


def check_isolated(transaction: Transaction) -> None:
    """Rules 1 to 5, for a transaction that was decoded. Raises a TransactionViolation."""
    suite, sender = transaction.suite, transaction.sender

    # 1. The suite exists and is the address's.
    if suite not in SCHEMES or suite != sender[0]:
        raise SuiteViolation(suite, sender[0])

    # 2. A key that travels along is the address's.
    key = transaction.key
    if key and Address.of_key(suite, key).to_bytes() != sender:
        raise KeyViolation(key, sender)

    # 3. There is a height at which it is valid.
    if transaction.expiry < transaction.not_before:
        raise WindowViolation(transaction.not_before, transaction.expiry)

    # 4. What the payload says by itself.
    transaction.payload.check_isolated()

    # 5. The sums fit an amount.
    total = transaction.payload.outlay + transaction.fee
    if total > MAX_AMOUNT:
        raise SumViolation(total, MAX_AMOUNT)


def check_in_context(
    transaction: Transaction, ledger: Ledger, context: ExecutionContext
) -> SignatureClaim:
    """Rules 6 to 11; returns the claim that rule 12 is about. Raises a TransactionViolation."""
    # 6. The block lies in the window.
    if context.height < transaction.not_before:
        raise NotYetValidViolation(context.height, transaction.not_before)
    if context.height > transaction.expiry:
        raise ExpiredViolation(context.height, transaction.expiry)

    # 7. The fee pays for the bytes; a call pays credits alone.
    least, most = fee_range(transaction, context.params.limits)
    if not least <= transaction.fee <= most:
        raise FeeViolation(transaction.fee, least, most)

    # 8. It is the sender's next.
    account = ledger.account(transaction.sender)
    if transaction.nonce < account.nonce:
        raise NonceUsedViolation(transaction.nonce, account.nonce)
    if transaction.nonce > account.nonce:
        raise NonceGapViolation(transaction.nonce, account.nonce)

    # 9. The sender's key is known or carried.
    key = transaction.key
    if not key:
        known = ledger.known_key(transaction.sender)
        if known is None:
            raise KeyUnknownViolation(transaction.sender)
        key = known.key

    # 10. The balance covers amounts and fee.
    needed = transaction.payload.outlay + transaction.fee
    if account.balance < needed:
        raise FundsViolation(account.balance, needed)

    # 11. What the payload asks of the state.
    transaction.payload.check_in_context(transaction.sender, ledger, context)

    return SignatureClaim(
        suite=transaction.suite,
        key=key,
        digest=transaction.signing_digest(context.genesis_hash),
        signature=transaction.signature,
    )


def check_signature(transaction: Transaction, claim: SignatureClaim) -> None:
    """Rule 12, for one transaction by itself. Raises SignatureViolation."""
    if not claim.holds:
        raise SignatureViolation(transaction.txid)


def fee_range(transaction: Transaction, limits: LimitParameters) -> tuple[int, int]:
    """Least and greatest fee in units: by the bytes of the wire, or nothing."""
    if not transaction.payload.PAYS_FEE:
        return 0, 0
    size = len(transaction.to_bytes()) + transaction.payload.room_bytes
    return fee_of_bytes(size, limits), MAX_AMOUNT


def charge(transaction: Transaction, ledger: Ledger) -> None:
    """What every kind does to its sender: take the fee, count the nonce, remember the key."""
    sender = transaction.sender
    account = ledger.account(sender)
    ledger.set_account(sender, account.moved(-transaction.fee, transactions=1))
    if transaction.key:
        ledger.set_known_key(sender, KnownKey(transaction.suite, transaction.key))
