"""The workers of all entries that a miner needs, as the chain's schedule has them come and go."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

import trio

from esper.consensus.header_chain import HeaderChain
from esper.dao.registry import Entry
from esper.node.clock import Clock
from esper.node.entries.crew import Crew
from esper.node.entries.entry_workers import EntryWorkers, Heard, first_of
from esper.node.entries.plan import Kept, plan_room
from esper.node.entries.prospects import Prospect, Readiness, chosen, estimated
from esper.node.entries.told import tell_choice, tell_missing, tell_refused, tell_released
from esper.node.workers.loadable import Loadable
from esper.node.workers.work_ports import ProverPort
from esper.node.workers.worker_process import WorkerError
from esper.primitives.ids import ModelId

TARGETS: Final = float(1 << 512)
"""Results that an attempt may have."""


class EntryRoom:
    """Workers by entry. All of it belongs to the event loop."""

    def __init__(self, crew: Crew, tier: int | None, steady: Clock) -> None:
        """``tier`` is the only one that is mined, None for whichever promises most."""
        self._crew = crew
        self.tier = tier
        """The only tier that is mined; None: the best."""
        self._steady = steady
        self.loaded: dict[Loadable, EntryWorkers] = {}
        """All that workers are kept for. Only for looking."""
        self.mined: EntryWorkers | None = None
        """What was chosen last."""
        self._mined_since = 0
        self._refused: set[Loadable] = set()
        self._told_missing: set[Loadable] = set()
        self._nursery: trio.Nursery | None = None
        self._heard: Heard = _nobody
        self._outlook: Callable[[], str] = str
        self.changed: Callable[[], None] = lambda: None
        """Called when workers are ready, or are no more."""

    async def run(
        self,
        heard: Heard,
        outlook: Callable[[], str],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Keep the workers until cancelled. Raises WorkerError, in groups, if none can begin.

        ``heard`` is told what searches say, ``outlook`` says what comes next.
        """
        self._heard, self._outlook = heard, outlook
        async with trio.open_nursery() as nursery:
            # Only as long as this task is within, which keeps the nursery open: who looks at the
            # room once it ends starts nobody, for what ended it is the news.
            self._nursery = nursery
            try:
                for workers in self.loaded.values():
                    if workers.readiness is Readiness.LOADING:
                        nursery.start_soon(self._serve, workers)
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    async def close(self) -> None:
        """End all provers; the searches end with ``run``."""
        for workers in self.loaded.values():
            await workers.close()

    def look(self, chain: HeaderChain) -> None:
        """Load and release what the block after the tip of ``chain`` and the next ones ask for."""
        plan = plan_room(
            chain.registry,
            chain.schedule,
            chain.height + 1,
            tier=self.tier,
            here=lambda entry: entry not in self._refused and self._crew.is_here(entry),
            loaded=tuple(self.loaded),
            ready=self._of(Readiness.READY),
            busy=tuple(entry for entry, workers in self.loaded.items() if workers.busy),
        )
        for kept in plan.kept:
            self._keep(kept)
        for entry in plan.release:
            self._release(entry)
        mines = {kept.entry: kept.mines for kept in plan.kept}
        for entry, workers in self.loaded.items():
            # One that rests, and is kept, goes on resting.
            rests = workers.readiness is Readiness.RESTING and entry in mines
            workers.ends_when_idle = not (mines.get(entry, False) or rests)
        for entry in plan.missing:
            if entry not in self._told_missing | self._refused:
                self._told_missing.add(entry)
                tell_missing(entry)
        self._told_missing.intersection_update(plan.missing)

    def choose(self, chain: HeaderChain) -> EntryWorkers | None:
        """Whom to let search for the block after the tip of ``chain``; None if nobody can be."""
        now_ms = self._steady()
        found = chosen(
            self.prospects(chain),
            tier=self.tier,
            mined=None if self.mined is None else self.mined.entry,
            mined_ms=now_ms - self._mined_since,
        )
        workers = None if found is None else self.loaded[found.loadable]
        if workers is not self.mined:
            if self.mined is not None:
                self.mined.workers.searcher.search(None)
            if found is not None and (self.mined is not None or len(self.loaded) > 1):
                tell_choice(found)
            self.mined, self._mined_since = workers, now_ms
        return workers

    def prospects(self, chain: HeaderChain) -> tuple[Prospect, ...]:
        """What each entry of the block after the tip of ``chain`` promises, by tier."""
        return estimated(
            [
                self._prospect(chain, entry, previous=place > 0)
                for tier in chain.registry.tiers
                for place, entry in enumerate(tier.entries)
            ]
        )

    def why_none(self, chain: HeaderChain) -> str:
        """A sentence for people who wait where ``choose`` finds nobody."""
        no_tier = self.why_no_tier(chain)
        if no_tier:
            return no_tier
        tiers = [tier for tier in chain.registry.tiers if self.tier in (None, tier.id)]
        wanted = ", ".join(f"{Loadable.of(one.own).short} of tier {one.id}" for one in tiers)
        return f"no model that may be mined is here or can be loaded: {wanted}; see `esperd models`"

    def why_no_tier(self, chain: HeaderChain) -> str:
        """A sentence where the only tier that is mined is none of the chain's; else nothing.

        A vote may still bring it, and a node that is not synced does not know: so one waits.
        """
        there = [tier.id for tier in chain.registry.tiers]
        if self.tier is None or self.tier in there:
            return ""
        return (
            f"there is no tier {self.tier} at height {chain.height}: nothing is mined before a "
            f"vote adds it; name one that is there with `--tier` ({', '.join(map(str, there))})"
        )

    @property
    def models(self) -> frozenset[ModelId]:
        """Ids of the models that calls are answered with."""
        return frozenset(entry.model_id for entry in self.loaded)

    @contextmanager
    def answering(self, model_id: ModelId) -> Iterator[ProverPort]:
        """Who answers calls to a model; not ended within. Raises WorkerError if nobody does."""
        found = [one for entry, one in self.loaded.items() if entry.model_id == model_id]
        if not found:
            raise WorkerError(f"model {model_id.hex()[:16]}… is no longer loaded")
        with min(found, key=lambda one: one.readiness is Readiness.RESTING).in_use() as workers:
            yield workers.call_prover

    async def use_threads(self, search: int | None, prove: int | None) -> None:
        """Cap the threads of all workers, those to come as well; None leaves them.

        Raises ThreadsError before anything is changed.
        """
        self._crew.use_threads(search, prove)
        for workers in tuple(self.loaded.values()):
            if workers is not self.mined:
                workers.speed.forget()
            if search is not None:
                workers.workers.searcher.use_threads(search)
            if prove is not None:
                await workers.workers.work_prover.use_threads(prove)
                await workers.workers.call_prover.use_threads(prove)

    def _of(self, readiness: Readiness) -> tuple[Loadable, ...]:
        return tuple(entry for entry, one in self.loaded.items() if one.readiness is readiness)

    def _keep(self, kept: Kept) -> None:
        workers = self.loaded.get(kept.entry)
        if workers is None:
            made = self._crew.workers(kept.entry)
            given = {one.number for one in self.loaded.values()}
            number = next(one for one in count(1) if one not in given)
            workers = EntryWorkers(kept.entry, made, lambda: self.changed(), number)
            self.loaded[kept.entry] = workers
        workers.until = kept.until
        if kept.mines and workers.readiness is Readiness.RESTING:
            # From now on, whenever the task begins.
            workers.readiness = Readiness.LOADING
            if self._nursery is not None:
                self._nursery.start_soon(self._serve, workers)
        elif not kept.mines and not workers.busy:
            workers.rest()

    def _release(self, entry: Loadable) -> None:
        workers = self.loaded.pop(entry)
        workers.rest()
        if self._nursery is not None:
            self._nursery.start_soon(workers.close)
        tell_released(entry)

    async def _serve(self, workers: EntryWorkers) -> None:
        """One entry's workers; what cannot begin ends the node only if it leaves no other."""
        try:
            await workers.run(self._heard, self._outlook)
        except* WorkerError as group:
            others = [one for one in self.loaded.values() if one is not workers]
            if all(one.readiness is Readiness.RESTING for one in others):
                raise
            self._refused.add(workers.entry)
            self.loaded.pop(workers.entry, None)
            tell_refused(workers.entry, str(first_of(group)))
            self.changed()

    def _prospect(self, chain: HeaderChain, entry: Entry, *, previous: bool) -> Prospect:
        workers = self.loaded.get(Loadable.of(entry))
        readiness = Readiness.MISSING if workers is None else workers.readiness
        if self.tier not in (None, entry.model.tier):
            readiness = Readiness.LEFT
        chance = chain.target(entry) / TARGETS
        if workers is None:
            return Prospect(entry, previous, readiness, chance)
        speed = workers.speed
        return Prospect(
            entry,
            previous,
            readiness,
            chance,
            attempts_per_second=speed.attempts_per_second,
            proof_ms=speed.proof_ms,
            measured=speed.attempts_per_second > 0,
        )


def _nobody(workers: EntryWorkers, event: object) -> None:
    """Nothing is searched before ``run``."""
    del workers, event
