"""The state as the next block's first transaction would see it."""

from typing import Final

from esper.consensus.context import ChainContext
from esper.primitives.address import ADDRESS_BYTES
from esper.vm.execute import start_block
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay, StateView

REMEMBERED: Final = 1 << 14
"""Records, a few megabytes."""
_NOBODY = bytes(ADDRESS_BYTES)
"""Who finds the block does not matter to whether a transaction is valid."""


class NextBlock:
    """A view of the state after the start of the next block, and the block's context.

    It keeps what the start changed and reads all else from below. What it read it remembers up to a
    limit: hostile transactions pay the same thousands of accounts again and again, and each costs
    the store some fifty microseconds.
    """

    __slots__ = ("_below", "_changed", "_read", "context", "governance", "tip_id", "totals")

    def __init__(self, view: StateView, chain: ChainContext) -> None:
        self.tip_id = chain.tip_id
        """64 bytes."""
        self.context = chain.execution_context(view, _NOBODY)
        """What its transactions see."""
        overlay = Overlay(view)
        ledger = Ledger(overlay)
        start_block(ledger, self.context)
        self.governance = DaoLedger(ledger).governance
        """What the DAO has under way."""
        self.totals = ledger.totals
        """The credits of everyone together, the block's share included."""
        self._below = view
        self._read: dict[bytes, bytes | None] = {}
        self._changed = {change.path: change.after for change in overlay.changes()}

    @property
    def height(self) -> int:
        """The block's height."""
        return self.context.height

    def get(self, path: bytes) -> bytes | None:
        """The record's bytes at a 32-byte path, None if there is none."""
        if path in self._changed:
            return self._changed[path]
        if path not in self._read:
            if len(self._read) >= REMEMBERED:
                self._read.clear()
            self._read[path] = self._below.get(path)
        return self._read[path]

    def stands_on(self, view: StateView, chain: ChainContext) -> bool:
        """Whether it is the next block of this very chain and view."""
        return view is self._below and chain.tip_id == self.tip_id

    def may_have_fewer_credits_than(self, other: "NextBlock") -> bool:
        """Whether an account that nobody touched may use fewer credits than in ``other``.

        A new epoch lets credits lapse, another branch may have given less per staked unit, and a
        model may have gone.
        """
        mine, theirs = self.totals, other.totals
        return (
            mine.epoch != theirs.epoch
            or mine.index < theirs.index
            or mine.previous_index < theirs.previous_index
            or self.context.models != other.context.models
        )
