"""When a block of ours may come: this machine's clock judges it as it judges everybody's.

And what the network has to say about it: see ``mining_permit``.

A clock may be set back below its own chain, or a chain may come from a machine whose clock was
ahead. Nothing that would be found then could join the chain, so nothing is searched or proven
until the time has come; and since clocks jump both ways, that is looked at again and again.
"""

from typing import Final

import trio

from esper.node.chain.ahead_of_clock import is_too_early, next_block_ahead
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock, steady_ms
from esper.node.mining.mining_permit import MiningPermit

LOOK_EVERY_S: Final = 1.0
"""Between two looks at the clock."""


class BlockTimes:
    """Judges the times of the next block by the clock of now."""

    def __init__(self, chain: ChainService, clock: Clock, steady: Clock = steady_ms) -> None:
        self._chain = chain
        self._clock = clock
        self._permit = MiningPermit(chain, clock, steady)

    def why_wait(self) -> str:
        """A sentence if no next block could be right yet or may be searched, empty otherwise."""
        ahead = next_block_ahead(self._chain.view.context, self._clock())
        return ahead or self._permit.why_wait()

    def may_come(self, time_ms: int) -> bool:
        """Whether a block of this time on top of the tip keeps the rule about future times."""
        return not is_too_early(time_ms, self._chain.view.context, self._clock())

    async def changed(self) -> None:
        """Until waiting begins or ends; while it lasts, until the next look."""
        waiting = bool(self.why_wait())
        while True:
            await trio.sleep(LOOK_EVERY_S)
            if waiting or self.why_wait():
                return
