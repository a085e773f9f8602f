"""The proving line, as the gateway's service asks it."""

from collections.abc import Callable

import trio

from esper.gateway.ports import CallState
from esper.gateway.proving_rows import Row, Step
from esper.node.gateway.proving.proving_driver import ProvingDriver


class NodeProving:
    """A ``ProvingPort``."""

    def __init__(
        self,
        driver: ProvingDriver,
        calls_per_block: Callable[[], int],
        lacking: Callable[[str], str],
    ) -> None:
        """``calls_per_block``: what one block of the present chain can prove.

        ``lacking``: why a proven call has no receipt of that, or nothing.
        """
        self._driver = driver
        self._lacking = lacking
        self._calls_per_block = calls_per_block
        self._changed = trio.Event()

    def backlog_blocks(self) -> int:
        """How many blocks those that wait fill."""
        return -(-self._driver.backlog // max(1, self._calls_per_block()))

    def enqueued(self, row: Row) -> None:
        """A row was committed as queued."""
        self._driver.enqueue(row)

    def take(self, step: Step) -> None:
        """A step was kept: whoever waits looks again."""
        if step.keep:
            self.look_again()

    def look_again(self) -> None:
        """What ``state`` says of some call may be different."""
        self._changed.set()
        self._changed = trio.Event()

    def state(self, call: str) -> CallState | None:
        """Where a call is; None for one that is no longer followed, or never was."""
        row = self._driver.row(call)
        if row is None:
            return None
        bids = {version.txid: version.bid for version in row.versions}
        placed = row.place is not None and row.charged
        cost = row.cost(bids[row.place.txid]) if placed and row.place is not None else 0
        return CallState(row.status.value, row.reason or self._lacking(call), cost)

    async def state_after(self, call: str, known: CallState | None) -> CallState | None:
        """As ``state``, as soon as it is not ``known``."""
        while True:
            changed, found = self._changed, self.state(call)
            if found != known:
                return found
            await changed.wait()
