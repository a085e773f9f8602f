"""What is remembered of transactions by their prefixes, all of it bounded."""

from collections import OrderedDict
from typing import Final

from esper.p2p.limits import PREFIX_BYTES, REFUSED_MS, REFUSED_PREFIXES
from esper.primitives.codec import CodecError
from esper.primitives.hashing import tagged_hash
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import TAG_WTXID, transaction_kind


def prefix_of(transaction: bytes) -> bytes:
    """The first 16 bytes of the wtxid of a transaction's bytes."""
    return tagged_hash(TAG_WTXID, transaction)[:PREFIX_BYTES]


def is_call(transaction: bytes) -> bool:
    """Whether bytes begin like those of a call."""
    try:
        return transaction_kind(transaction) == LlmCall.KIND
    except CodecError:
        return False


class Prefixes:
    """The latest so many prefixes; the oldest is forgotten first."""

    __slots__ = ("_most", "_prefixes")

    def __init__(self, most: int) -> None:
        self._most: Final = most
        # Unlike a dict it finds its oldest at once, however many were deleted before.
        self._prefixes: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, prefix: bytes) -> bool:
        return prefix in self._prefixes

    def __len__(self) -> int:
        return len(self._prefixes)

    def add(self, prefix: bytes) -> None:
        """Remembers a prefix, or remembers it longer."""
        self._prefixes.pop(prefix, None)
        self._prefixes[prefix] = None
        if len(self._prefixes) > self._most:
            self._prefixes.popitem(last=False)


class RefusedPrefixes:
    """Transactions that were refused, so that they are not asked for again."""

    def __init__(self) -> None:
        self._until: OrderedDict[bytes, int | None] = OrderedDict()
        """By prefix the ms at which it is forgotten; None: when the tip moves."""

    def __len__(self) -> int:
        return len(self._until)

    def add_invalid(self, prefix: bytes, now: int) -> None:
        """Will never be valid: forgotten in an hour, for memory is worth more than that."""
        self._add(prefix, now + REFUSED_MS)

    def add_until_tip_moves(self, prefix: bytes) -> None:
        """May be taken on another tip."""
        self._add(prefix, None)

    def forget(self, prefix: bytes) -> None:
        """It was taken after all."""
        self._until.pop(prefix, None)

    def tip_moved(self) -> None:
        """Forgets all that depended on the tip."""
        self._until = OrderedDict(
            (prefix, until) for prefix, until in self._until.items() if until is not None
        )

    def has(self, prefix: bytes, now: int) -> bool:
        """Whether it is not to be asked for."""
        if prefix not in self._until:
            return False
        until = self._until[prefix]
        if until is None or now < until:
            return True
        del self._until[prefix]
        return False

    def _add(self, prefix: bytes, until: int | None) -> None:
        self._until.pop(prefix, None)
        self._until[prefix] = until
        if len(self._until) > REFUSED_PREFIXES:
            self._until.popitem(last=False)
