"""Follows the rotation: fetches packages, has them checked, and deletes them, at every tip.

Everything that has to survive is in the store and in the notes, each written whole or not at all:
a kill costs at most a check that is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import trio

from esper.consensus.context import ChainContext
from esper.model.errors import ModelError
from esper.model.package.errors import PackageError, UnknownModelError
from esper.model.package.kept_folder import kept_folder
from esper.model.package.store import KeptPackage, ModelStore
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.in_force import parameters_of
from esper.node.models.adopted import Adopted
from esper.node.models.check_job import (
    CheckFailedError,
    CheckJob,
    CheckResult,
    FilesChangedError,
    PackageChecker,
)
from esper.node.models.failures import Failures
from esper.node.models.kept_models import KeptModels
from esper.node.models.notebook import Notebook
from esper.node.models.package_tasks import (
    LOOK_AGAIN_S,
    REST_S,
    YIELD_S,
    PackageNetwork,
    Task,
    either,
    unless_it_stalls,
)
from esper.node.models.proposals import extended_by, mined, proposed
from esper.node.models.told import (
    tell_check_failed,
    tell_deleted,
    tell_disk,
    tell_fetching,
    tell_refused,
    tell_stalled,
    tell_verified,
)
from esper.node.models.wanted import (
    Note,
    Proposed,
    Verdict,
    Wanted,
    judged,
    mined_as,
    wanted,
)
from esper.p2p.packages.downloads import TooManyDownloadsError
from esper.p2p.packages.offers import TooManyOffersError
from esper.p2p.service.packages.packages import PackageHopelessError
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
        self._notebook = Notebook(store.folder)
        self._kept = kept
        self._chain = chain
        self._checker = checker
        self._genesis = mined_as(genesis)
        self.fetches = fetches
        """Whether what is missing is fetched."""
        self.most_bytes = most_bytes
        """Of one package that is fetched; None: as many as the store has room for."""
        self._clock = clock
        self.network: PackageNetwork | None = None
        """Where packages come from, set before ``run``; None: from nowhere."""
        self._notes: dict[Txid, Note] = self._notebook.read()
        self._written = dict(self._notes)
        self._tasks: dict[bytes, Task] = {}
        self._adopted = Adopted(store, kept, self._genesis)
        self._failures = Failures()
        self._one_check = trio.Lock()
        self._again = trio.Event()
        # Whoever mines may ask before anything runs.
        lying = store.kept()
        for one in lying:
            self._place(one.root)
        self.serves = fetches or bool(lying)
        """Whether the network is asked for packages, or given any."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """Of all models that are remembered, by number."""
        return tuple(sorted(self._notes.values(), key=lambda note: note.number))

    def is_ready(self, proposal: Txid) -> bool:
        """Whether the very package that a Model names was checked here, or needs not be.

        Another one of the same model is not what its voters read.
        """
        note = self._notes.get(proposal)
        if note is None:
            return False
        return note.verdict is Verdict.VERIFIED or note.mined == self._genesis

    def task(self, root: bytes) -> Task | None:
        """What is done with a package now. Only for looking."""
        return self._tasks.get(root)

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
        if self.network is None:
            return
        try:
            for root in await self.packages():
                await self.network.offer(root)
        except (TooManyOffersError, OSError) as error:
            tell_disk(str(error))

    async def _look(self, nursery: trio.Nursery) -> None:
        here = await self.packages()
        view = self._chain.view
        active = mined(view.context, view.state)
        before = {note.root for note in self._notes.values()}
        plan = wanted(
            self._notes,
            [_extending(one, view.context) for one in proposed(view.state)],
            active,
            tuple(here),
            height=view.context.height,
            undo_depth=view.params.limits.undo_depth,
            genesis=self._genesis,
        )
        self._notes = plan.notes
        bring = self._to_bring(plan, here)
        needed = {note.root for note in (*plan.fetch, *plan.check)}
        for root, task in tuple(self._tasks.items()):
            if root not in needed:
                task.scope.cancel()
        for root in plan.delete:
            await self._delete(root)
        noted = {note.root for note in self._notes.values()}
        for root in before - noted - set(here):
            self._withdraw(root)
        await self._save()
        await self._adopted.look({mined_as(entry) for entry in active}, here, noted)
        for root, fetch in bring.items():
            if root not in self._tasks:
                self._tasks[root] = Task()
                nursery.start_soon(self._bring, root, fetch)

    def _to_bring(self, plan: Wanted, here: dict[bytes, KeptPackage]) -> dict[bytes, bool]:
        """Roots that something is to be done with, and whether they have to be fetched."""
        whole = {root for root, one in here.items() if one.whole}
        due = (note for note in plan.check if not self._failures.rests(note.body))
        bring = {note.root: False for note in due if note.root in whole}
        synced = not self._chain.why_not_synced(self._clock())
        if self.fetches and self.network is not None and synced:
            bring |= {note.root: True for note in plan.fetch if note.root not in whole}
        return bring

    async def _bring(self, root: bytes, fetch: bool) -> None:
        task = self._tasks[root]
        try:
            with task.scope:
                if fetch and not await self._fetched(root, task):
                    return
                while (note := self._unjudged(root)) is not None:
                    # None waits for the checks of another one.
                    await self._checked(note, task)
                if task.trouble:
                    await trio.sleep(REST_S)
        finally:
            found = self.store.find(root)
            if found is None or not found.is_whole:
                self._withdraw(root)
            del self._tasks[root]
            task.over.set()
            self._again.set()

    async def _fetched(self, root: bytes, task: Task) -> bool:
        assert self.network is not None
        note = next(note for note in self.notes if note.root == root)
        tell_fetching(note)
        while True:
            try:
                if not await unless_it_stalls(self.network, root):
                    task.trouble = "nothing came of it: others are fetched first"
                    tell_stalled(note)
                    if self.store.find(root) is None:
                        self._withdraw(root)
                    await trio.sleep(YIELD_S)
                    continue
                await trio.to_thread.run_sync(self._completed, root)
            except PackageHopelessError as error:
                self._refuse([one for one in self.notes if one.root == root], str(error))
                return False
            except (TooManyDownloadsError, TooManyOffersError, PackageError, OSError) as error:
                task.trouble = str(error)
                await trio.sleep(REST_S)
            else:
                task.trouble = ""
                return True

    def _completed(self, root: bytes) -> None:
        """Have it on the disk for good, in a thread. Raises PackageError and OSError."""
        found = self.store.find(root)
        if found is None:
            raise UnknownModelError(root.hex(), "it went while it was fetched")
        found.complete()

    async def _checked(self, note: Note, task: Task) -> None:
        """Come to a verdict; if this machine cannot, that proposal rests, and it alone."""
        try:
            async with self._one_check:
                task.checking = True
                extends = extended_by(note.body.entry, self._chain.view.context)
                result = await self._result(note, extends)
            if not result.refused:
                # On the disk before it is believed.
                await trio.to_thread.run_sync(
                    self.store.verified_as, note.root, note.body.entry.model_id
                )
        except FilesChangedError as error:
            # What the disk changed is missing from now on, and comes again.
            found = self.store.find(note.root)
            if found is not None:
                await trio.to_thread.run_sync(found.look_again)
            task.trouble, task.checking = str(error), False
            tell_check_failed(note, str(error), again=self._failures.failed(note.body))
        except (CheckFailedError, OSError, ModelError) as error:
            # A manifest that the disk lost among them: said, and no end of the node.
            task.trouble, task.checking = str(error), False
            tell_check_failed(note, str(error), again=self._failures.failed(note.body))
        else:
            self._take_verdict(note, task, result, extends)

    def _take_verdict(
        self, note: Note, task: Task, result: CheckResult, extends: ModelEntry | None
    ) -> None:
        task.checking = False
        self._failures.passed(note.body)
        words, of = "; ".join(result.findings), b"" if extends is None else extends.bank_root
        if result.refused:
            self._refuse([note], words, of)
            return
        self._notes = judged(self._notes, note, Verdict.VERIFIED, words, of)
        tell_verified(note)
        self._place(note.root)

    async def _result(self, note: Note, extends: ModelEntry | None) -> CheckResult:
        view = self._chain.view
        files = self.store.files_of(note.root)
        folder = await trio.to_thread.run_sync(kept_folder, files.parent)
        job = CheckJob(
            folder=files,
            names=() if folder is None else folder.names,
            body=note.body,
            params=parameters_of(view.context, view.state),
            extends=extends,
        )
        return await self._checker.check(job)

    def _refuse(self, notes: Sequence[Note], words: str, extends: bytes | None = None) -> None:
        for note in notes:
            self._notes = judged(self._notes, note, Verdict.REFUSED, words, extends)
            tell_refused(note, words)
            self._kept.refuse(note.mined)
            for other in self.notes:
                # Another proposal of the same model may have been right.
                if other.mined == note.mined:
                    self._place(other.root)

    def _unjudged(self, root: bytes) -> Note | None:
        """The first that a package has to be checked for now; those whose vote passed first."""
        ours = (note for note in self.notes if note.root == root and note.over is None)
        due = (one for one in ours if one.verdict is Verdict.NONE)
        ordered = sorted(due, key=lambda note: not note.passed)
        return next((one for one in ordered if not self._failures.rests(one.body)), None)

    def _withdraw(self, root: bytes) -> None:
        """Offer it no more: places for offers are few."""
        if self.network is not None:
            self.network.withdraw(root)

    def _place(self, root: bytes) -> None:
        """Let a package that is whole and verified be loaded."""
        try:
            files = self.store.files_of(root)
        except UnknownModelError:
            return
        for note in self.notes:
            if note.root == root and note.verdict is Verdict.VERIFIED:
                self._kept.put(note.mined, files)

    async def _delete(self, root: bytes) -> None:
        task = self._tasks.get(root)
        if task is not None:
            task.scope.cancel()
            await task.over.wait()
        self._withdraw(root)
        found = self.store.find(root)
        if found is None:
            return
        self._kept.drop(found.files)
        await trio.to_thread.run_sync(self.store.delete, root)
        tell_deleted(root)

    async def _save(self) -> None:
        notes = dict(self._notes)
        if notes != self._written:
            await trio.to_thread.run_sync(self._notebook.write, tuple(notes.values()))
            self._written = notes


def _extending(one: Proposed, chain: ChainContext) -> Proposed:
    """With the bank that it makes longer at this tip."""
    tier_has = extended_by(one.body.entry, chain)
    return one if tier_has is None else replace(one, extends=tier_has.bank_root)
