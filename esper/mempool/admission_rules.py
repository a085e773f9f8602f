"""What is checked of a transaction before its sender is looked at.

1. size   2. no result or proof by itself, which are dear to read   3. rules in isolation
4. window   5. fee   6. the pool's rate
"""

from esper.mempool.errors import MempoolFullError, ResultFromOutsideError, TooEarlyError
from esper.mempool.waiting import offered_rate
from esper.primitives.errors.transaction_errors import (
    ExpiredViolation,
    FeeViolation,
    TransactionSizeViolation,
)
from esper.primitives.params import LimitParameters
from esper.vm.envelope_rules import check_isolated, fee_range
from esper.vm.transaction import Transaction


def check_by_itself(
    transaction: Transaction,
    limits: LimitParameters,
    *,
    height: int,
    early_blocks: int,
    least_rate: int,
) -> None:
    """All six, for the block at ``height`` and a pool that takes ``least_rate``.

    Raises a TransactionViolation, ResultFromOutsideError, TooEarlyError or MempoolFullError.
    """
    # 1. It fits a block.
    size = len(transaction.to_bytes())
    if size > limits.transaction_bytes:
        raise TransactionSizeViolation(size, limits.transaction_bytes)

    # 2. Results come with their proof. Nobody is blamed for one, so nothing of it is read.
    if not transaction.payload.RELAYED:
        raise ResultFromOutsideError

    # 3. No state could make it valid otherwise.
    check_isolated(transaction)

    # 4. The window is open, or opens soon.
    if transaction.expiry < height:
        raise ExpiredViolation(height, transaction.expiry)
    if transaction.not_before > height + early_blocks:
        raise TooEarlyError(transaction.not_before, height + early_blocks)

    # 5. The fee pays for the bytes.
    least, most = fee_range(transaction, limits)
    if not least <= transaction.fee <= most:
        raise FeeViolation(transaction.fee, least, most)

    # 6. It offers what the pool asks for after evictions.
    rate = offered_rate(transaction)
    if rate < least_rate:
        raise MempoolFullError(rate, least_rate, not transaction.payload.PAYS_FEE)
