"""What hinders the proving of calls: told to the operator, and waited out."""

from collections.abc import Sequence
from typing import Final

import trio

from esper.gateway.service.incidents import fault_of
from esper.gateway.store.errors import StoreError
from esper.gateway.store.line import NotBooked
from esper.node.gateway.standing import Standing
from esper.storage.errors import StorageError

AFTER_FAILURE_S: Final = 5.0
"""Before another try, and twice as long after each further failure."""
LONGEST_AFTER_FAILURE_S: Final = 300.0
_STORE_FAILED: Final = "gateway_store_failed"
_CHAIN_UNREAD: Final = "gateway_chain_unread"
_FAILED: Final = "gateway_proving_failed"
_SHOWN: Final = 3
"""Calls that a sentence names."""


class Backoff:
    """Seconds to wait after each failure, until one try was good."""

    def __init__(self) -> None:
        self._failures = 0

    def failed(self) -> float:
        """How long to wait now."""
        # Beyond the longest wait the power does not matter, and it would grow for ever.
        doubled = AFTER_FAILURE_S * (1 << min(self._failures, 16))
        self._failures += 1
        return min(doubled, LONGEST_AFTER_FAILURE_S)

    def over(self) -> None:
        """It is in order again."""
        self._failures = 0


class ProvingTroubles:
    """Warnings of the proving line's driver."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._backoff = Backoff()

    async def failed(self, error: Exception) -> None:
        """Say why no call is proven, and wait before another try."""
        code, why = _FAILED, f"{fault_of(error)}; this is a fault of the program"
        if isinstance(error, StoreError):
            code, why = _STORE_FAILED, str(error)
        elif isinstance(error, StorageError):
            code, why = _CHAIN_UNREAD, str(error)
        self._standing.warn(code, f"no call is proven: {why}")
        await trio.sleep(self._backoff.failed())

    def over(self) -> None:
        """All was done that there was to do."""
        self._backoff.over()
        for code in (_STORE_FAILED, _CHAIN_UNREAD, _FAILED):
            self._standing.warn(code, "")

    def not_signed(self, why: str) -> None:
        """A call waits, or is given up; empty: none does."""
        self._standing.warn("gateway_not_signed", why)

    def damaged(self, calls: Sequence[str]) -> None:
        """Rows cannot be read; none: say nothing."""
        if calls:
            more = len(calls) - _SHOWN
            named = ", ".join(calls[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
            self._standing.warn(
                "gateway_row_damaged",
                f"calls cannot be read from gateway.db and are given up: {named}; a backup has "
                "them, and a disk that loses bytes should be replaced",
            )

    def not_booked(self, refused: Sequence[NotBooked]) -> None:
        """Books contradict the chain."""
        for one in refused:
            self._standing.warn(
                "gateway_not_booked",
                f"the proof of call {one.call} could not be booked: {one.reason}; nothing was "
                "charged for it now",
            )
