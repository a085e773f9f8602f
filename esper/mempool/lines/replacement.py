"""Whether a transaction may take the place of another with the same sender and nonce."""

from collections import deque

from esper.mempool.errors import (
    ReplacementFeeError,
    ReplacementKindError,
    ReplacementPriceError,
    ReplacementRateError,
)
from esper.mempool.policy import MempoolPolicy
from esper.primitives.params import LimitParameters
from esper.vm.fees import fee_of_bytes
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction

HOUR_MS = 3_600_000


def check_outbids(
    new: Transaction, old: Transaction, limits: LimitParameters, policy: MempoolPolicy
) -> None:
    """The new one pays for being relayed once more.

    Raises ReplacementFeeError, ReplacementPriceError or ReplacementKindError.
    """
    if isinstance(new.payload, LlmCall):
        if not isinstance(old.payload, LlmCall):
            raise ReplacementKindError(old.nonce)
        more = max(_share(old.payload.price, policy), 1)
        if new.payload.price < old.payload.price + more:
            raise ReplacementPriceError(new.payload.price, old.payload.price + more)
        return
    size = len(new.to_bytes())
    relay = limits.fee_per_byte * size
    if isinstance(old.payload, LlmCall):
        # It paid no fee: what takes its place pays for itself, and for being relayed.
        needed = fee_of_bytes(size, limits) + relay
    else:
        needed = old.fee + max(_share(old.fee, policy), relay)
    if new.fee < needed:
        raise ReplacementFeeError(new.fee, needed)


def _share(amount: int, policy: MempoolPolicy) -> int:
    """Rounded up."""
    return -(-amount * policy.replacement_percent // 100)


class ReplacementCount:
    """Who replaced how often within the last hour."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: deque[tuple[int, bytes]] = deque()
        self._of_sender: dict[bytes, deque[int]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def check(self, sender: bytes, now_ms: int) -> None:
        """Raises ReplacementRateError if the sender has to wait."""
        self.forget_before(now_ms - HOUR_MS)
        times = self._of_sender.get(sender)
        if times is not None and len(times) >= self._limit:
            raise ReplacementRateError(self._limit, times[0] + HOUR_MS - now_ms)

    def add(self, sender: bytes, now_ms: int) -> None:
        """Count one. A clock that goes back counts from the latest time seen."""
        if self._all:
            now_ms = max(now_ms, self._all[-1][0])
        self._all.append((now_ms, sender))
        self._of_sender.setdefault(sender, deque()).append(now_ms)

    def forget_before(self, time_ms: int) -> None:
        """Forget what happened at ``time_ms`` or earlier."""
        while self._all and self._all[0][0] <= time_ms:
            _, sender = self._all.popleft()
            times = self._of_sender[sender]
            times.popleft()
            if not times:
                del self._of_sender[sender]
