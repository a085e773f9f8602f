"""One check of a package for one proposal, and what follows from it."""

from __future__ import annotations

import trio

from esper.model.errors import ModelError
from esper.model.package.kept_folder import kept_folder
from esper.model.package.store import ModelStore
from esper.node.chain.chain_service import ChainService
from esper.node.in_force import parameters_of
from esper.node.models.check_job import (
    CheckFailedError,
    CheckJob,
    CheckResult,
    FilesChangedError,
    PackageChecker,
)
from esper.node.models.failures import Failures
from esper.node.models.package_tasks import Task
from esper.node.models.proposals import extended_by
from esper.node.models.told import tell_check_failed
from esper.node.models.verdicts import Verdicts
from esper.node.models.wanted import Note
from esper.primitives.model_entry import ModelEntry


class Checking:
    """Has packages checked, one at a time, against the tip."""

    def __init__(
        self,
        store: ModelStore,
        chain: ChainService,
        checker: PackageChecker,
        verdicts: Verdicts,
        failures: Failures,
    ) -> None:
        self._store = store
        self._chain = chain
        self._checker = checker
        self._verdicts = verdicts
        self._failures = failures
        self._one_check = trio.Lock()

    async def check(self, note: Note, task: Task) -> None:
        """Come to a verdict; if this machine cannot, that proposal rests, and it alone."""
        try:
            async with self._one_check:
                task.checking = True
                extends = extended_by(note.body.entry, self._chain.view.context)
                result = await self._result(note, extends)
            if not result.refused:
                # On the disk before it is believed.
                await trio.to_thread.run_sync(
                    self._store.verified_as, note.root, note.body.entry.model_id
                )
        except FilesChangedError as error:
            # What the disk changed is missing from now on, and comes again.
            found = self._store.find(note.root)
            if found is not None:
                await trio.to_thread.run_sync(found.look_again)
            self._failed(note, task, error)
        except (CheckFailedError, OSError, ModelError) as error:
            # A manifest that the disk lost among them: said, and no end of the node.
            self._failed(note, task, error)
        else:
            task.checking = False
            self._failures.passed(note.body)
            self._verdicts.take(note, result, extends)

    def _failed(self, note: Note, task: Task, error: Exception) -> None:
        task.trouble, task.checking = str(error), False
        tell_check_failed(note, str(error), again=self._failures.failed(note.body))

    async def _result(self, note: Note, extends: ModelEntry | None) -> CheckResult:
        view = self._chain.view
        files = self._store.files_of(note.root)
        folder = await trio.to_thread.run_sync(kept_folder, files.parent)
        job = CheckJob(
            folder=files,
            names=() if folder is None else folder.names,
            body=note.body,
            params=parameters_of(view.context, view.state),
            extends=extends,
        )
        return await self._checker.check(job)
