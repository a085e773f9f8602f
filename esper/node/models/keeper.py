"""Follows the rotation: fetches packages, has them checked, and deletes them, at every tip.

Everything that has to survive is in the store and in the notes, each written whole or not at all:
a kill costs at most a check that is made again.
"""

from __future__ import annotations

from dataclasses import replace

import trio

from esper.consensus.context import ChainContext
from esper.model.package.store import KeptPackage, ModelStore
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.models.adopted import Adopted
from esper.node.models.bringing import Bringing
from esper.node.models.check_job import PackageChecker
from esper.node.models.checking import Checking
from esper.node.models.failures import Failures
from esper.node.models.kept_models import KeptModels
from esper.node.models.note_memory import NoteMemory
from esper.node.models.package_offers import PackageOffers
from esper.node.models.package_tasks import LOOK_AGAIN_S, PackageNetwork, Task, either
from esper.node.models.proposals import extended_by, mined, proposed
from esper.node.models.told import tell_deleted, tell_disk
from esper.node.models.verdicts import Verdicts
from esper.node.models.wanted import Note, Proposed, Wanted, mined_as, wanted
from esper.primitives.ids import Txid
from esper.primitives.model_entry import ModelEntry


class ModelKeeper:
    """Keeps the packages that the chain asks for. All of it belongs to the event loop."""

    def __init__(
        self,
        store: ModelStore,
        kept: KeptModels,
        chain: ChainService,
        checker: PackageChecker,
        *,
        genesis: ModelEntry,
        fetches: bool,
        clock: Clock,
        most_bytes: int | None = None,
    ) -> None:
        """``fetches``: whether what is missing is fetched; what lies here is followed anyway.

        ``most_bytes``: of one package that is fetched, None: as many as the store has room for.
        Raises OSError.
        """
        self.store = store
        """What lies here."""
        self._kept = kept
        self._chain = chain
        self._genesis = mined_as(genesis)
        self.fetches = fetches
        """Whether what is missing is fetched."""
        self.most_bytes = most_bytes
        """Of one package that is fetched; None: as many as the store has room for."""
        self._clock = clock
        self._memory = NoteMemory(store.folder)
        self._offers = PackageOffers()
        self._failures = Failures()
        self._adopted = Adopted(store, kept, self._genesis)
        self._verdicts = Verdicts(store, kept, self._memory, self._genesis)
        checking = Checking(store, chain, checker, self._verdicts, self._failures)
        self._bringing = Bringing(
            store, self._memory, self._offers, checking, self._verdicts, self._failures
        )
        self._again = trio.Event()
        # Whoever mines may ask before anything runs.
        lying = store.kept()
        for one in lying:
            self._verdicts.place(one.root)
        self.serves = fetches or bool(lying)
        """Whether the network is asked for packages, or given any."""

    @property
    def network(self) -> PackageNetwork | None:
        """Where packages come from, set before ``run``; None: from nowhere."""
        return self._offers.network

    @network.setter
    def network(self, network: PackageNetwork | None) -> None:
        self._offers.network = network

    @property
    def notes(self) -> tuple[Note, ...]:
        """Of all models that are remembered, by number."""
        return self._memory.listed

    def is_ready(self, proposal: Txid) -> bool:
        """Whether the very package that a Model names was checked here, or needs not be.

        Another one of the same model is not what its voters read.
        """
        return self._verdicts.is_ready(proposal)

    def task(self, root: bytes) -> Task | None:
        """What is done with a package now. Only for looking."""
        return self._bringing.task(root)

    async def packages(self) -> dict[bytes, KeptPackage]:
        """What lies here, by root. Raises OSError."""
        found = await trio.to_thread.run_sync(self.store.kept)
        return {one.root: one for one in found}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look at every tip, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._offer_all)
            task_status.started()
            while True:
                self._again, changed = trio.Event(), self._chain.next_change
                try:
                    await self._look(nursery)
                except OSError as error:
                    tell_disk(str(error))
                with trio.move_on_after(LOOK_AGAIN_S):
                    await either(self._again, changed)

    async def _offer_all(self) -> None:
        """What lies here is given to whoever wants it."""
        if self._offers.network is None:
            return
        try:
            await self._offers.offer(await self.packages())
        except OSError as error:
            tell_disk(str(error))

    async def _look(self, nursery: trio.Nursery) -> None:
        here = await self.packages()
        view = self._chain.view
        active = mined(view.context, view.state)
        before = self._memory.roots
        plan = wanted(
            self._memory.notes,
            [_extending(one, view.context) for one in proposed(view.state)],
            active,
            tuple(here),
            height=view.context.height,
            undo_depth=view.params.limits.undo_depth,
            genesis=self._genesis,
        )
        self._memory.notes = plan.notes
        bring = self._to_bring(plan, here)
        self._bringing.leave_but({note.root for note in (*plan.fetch, *plan.check)})
        for root in plan.delete:
            await self._delete(root)
        noted = self._memory.roots
        for root in before - noted - set(here):
            self._offers.withdraw(root)
        await self._memory.save()
        await self._adopted.look({mined_as(entry) for entry in active}, here, noted)
        for root, fetch in bring.items():
            self._bringing.start(root, nursery, self._look_soon, fetch=fetch)

    def _look_soon(self) -> None:
        self._again.set()

    def _to_bring(self, plan: Wanted, here: dict[bytes, KeptPackage]) -> dict[bytes, bool]:
        """Roots that something is to be done with, and whether they have to be fetched."""
        whole = {root for root, one in here.items() if one.whole}
        due = (note for note in plan.check if not self._failures.rests(note.body))
        bring = {note.root: False for note in due if note.root in whole}
        synced = not self._chain.why_not_synced(self._clock())
        if self.fetches and self._offers.network is not None and synced:
            bring |= {note.root: True for note in plan.fetch if note.root not in whole}
        return bring

    async def _delete(self, root: bytes) -> None:
        await self._bringing.end(root)
        self._offers.withdraw(root)
        found = self.store.find(root)
        if found is None:
            return
        self._kept.drop(found.files)
        await trio.to_thread.run_sync(self.store.delete, root)
        tell_deleted(root)


def _extending(one: Proposed, chain: ChainContext) -> Proposed:
    """With the bank that it makes longer at this tip."""
    tier_has = extended_by(one.body.entry, chain)
    return one if tier_has is None else replace(one, extends=tier_has.bank_root)
