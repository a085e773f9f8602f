"""What the log says of the chain that peers bring: a line a block when near, progress else."""

import logging
from collections.abc import Callable
from typing import Final

from esper.node.clock import duration_s
from esper.p2p.ports import Proven
from esper.p2p.sync.sync_state import SyncState
from esper.saying import say

LOG: Final = logging.getLogger("esper.network")
EVERY_MS: Final = 10_000


class Progress:
    """Tells of blocks that were taken from peers."""

    def __init__(self, state: Callable[[], SyncState], steady: Callable[[], int]) -> None:
        self._state = state
        self._steady = steady
        self._told_ms: int | None = None
        self._far = False

    def brought(self, block: Proven) -> None:
        """The last of some blocks that joined the chain, or lie beside it."""
        state, now = self._state(), self._steady()
        if state.near and not self._far:
            say(
                LOG,
                "block_from_peer",
                "block {height} {short} from a peer",
                height=block.header.pre.height,
                short=block.block_id.hex()[:16],
                block=block.block_id.hex(),
            )
            return
        if self._told_ms is not None and now - self._told_ms < EVERY_MS and not state.near:
            return
        self._told_ms, self._far = now, not state.near
        left = "" if state.seconds_left is None else f", {duration_s(state.seconds_left)} to go"
        # At first there is no measure yet, and 0.0 would frighten.
        pace = f", {state.blocks_per_s:.1f} blocks a second" if state.blocks_per_s else ""
        say(
            LOG,
            "sync_progress",
            "at block {height} of {target}{pace}{left}",
            height=state.height,
            target=max(state.target_height, state.height),
            pace=pace,
            speed=state.blocks_per_s,
            left=left,
        )
