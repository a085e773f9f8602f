"""The least fee of a transaction, before and after it is signed: one formula for everyone."""

from collections.abc import Callable
from dataclasses import replace

from esper.crypto.signatures import SCHEMES
from esper.primitives.params import LimitParameters
from esper.vm.transaction import Transaction


def fee_of_bytes(size: int, limits: LimitParameters) -> int:
    """Units that the rules ask for ``size`` bytes of the wire, signature included."""
    return limits.base_fee + limits.fee_per_byte * size


def signed_size(transaction: Transaction) -> int:
    """Bytes that a transaction of a known suite pays for once it is signed.

    Those of the wire form, and those of what it brings into the block beside them.
    """
    signature = bytes(SCHEMES[transaction.suite].signature_bytes)
    return (
        len(replace(transaction, signature=signature).to_bytes()) + transaction.payload.room_bytes
    )


def least_fee(transaction: Transaction, limits: LimitParameters) -> int:
    """Units that the rules ask for its bytes once it is signed, to the unit; 0 for who pays none.

    Its own fee and signature make no difference, its key must be there or room for it.
    """
    if not transaction.payload.PAYS_FEE:
        return 0
    return least_fixed_fee(transaction, lambda size: fee_of_bytes(size, limits))


def fee_asked(transaction: Transaction, limits: LimitParameters) -> int:
    """Units that the rules ask for its bytes as they are, its fee included, once it is signed.

    Where a larger fee takes more bytes, fees just above the least do not pay for themselves.
    """
    if not transaction.payload.PAYS_FEE:
        return 0
    return fee_of_bytes(signed_size(transaction), limits)


def least_fixed_fee(transaction: Transaction, asked: Callable[[int], int]) -> int:
    """The least fee that is what ``asked`` makes of the size that the fee itself is part of.

    ``asked`` never falls with the size.
    """
    fee = 0
    while (needed := asked(signed_size(replace(transaction, fee=fee)))) > fee:
        # A larger fee may take more bytes and so raise itself; after that it stays.
        fee = needed
    return fee
