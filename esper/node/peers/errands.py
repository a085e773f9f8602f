"""What sync wants of the chain beside jobs, in order."""

import logging
from typing import Final

import trio

from esper.node.chain.chain_service import ChainService
from esper.p2p.sync.events import KeepFrom, SyncedOnce
from esper.saying import complain
from esper.storage.errors import StorageError

LOG: Final = logging.getLogger("esper.network")


class Errands:
    """A task of the network that does one after the other."""

    def __init__(self, chain: ChainService) -> None:
        self._chain = chain
        self._errands: list[SyncedOnce | KeepFrom] = []
        self._errand = trio.Event()

    def add(self, errand: SyncedOnce | KeepFrom) -> None:
        """One more; what needs no waiting is done at once."""
        if isinstance(errand, KeepFrom):
            # Before the blocks that sync may give to the chain next.
            self._chain.want_undo_from(errand.height)
        self._errands.append(errand)
        self._errand.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._errand.wait()
            self._errand = trio.Event()
            while self._errands:
                try:
                    await self._run(self._errands.pop(0))
                except (StorageError, OSError) as error:
                    # Then a branch that parts deeper is followed from genesis, if it ever must be.
                    complain(
                        LOG,
                        "errand_failed",
                        "undo records are not kept as sync wants them: {reason}",
                        reason=str(error),
                    )

    async def _run(self, errand: SyncedOnce | KeepFrom) -> None:
        match errand:
            case SyncedOnce():
                await self._chain.note_synced()
            case KeepFrom():
                await self._chain.keep_undo_from()
