"""A node whose network rotates its model: two fake models, and a schedule that genesis confirmed.

The models differ in their names, and the new one's ticket is shorter.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.context import ChainContext
from esper.consensus.header import Header
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.schedule import Activation, Scheduled, Settlement
from esper.node.chain.stored_blocks import stored_block
from esper.node.entries.crew import Crew
from esper.node.workers.loadable import Loadable
from esper.node.workers.work_ports import Workers
from esper.node.workers.worker_process import WorkerError
from esper.primitives.ids import ModelId
from esper.primitives.params import NetworkParameters
from esper.primitives.work_outputs import WorkOutputs
from tests.support.node.node_world import (
    PARAMS,
    GatedProver,
    ManualSearcher,
    NodeWorld,
    node_clock,
    node_world,
    rest,
    running,
    until,
)

ACTIVE, SETTLED = 14, 30
"""First heights with the new model, and without the old one."""
OLD = Entry(PARAMS.model, ONE, Puzzle.of(PARAMS.puzzle))
NEW = Entry(
    replace(PARAMS.model, model_id=ModelId(b"n" * 64)),
    ONE,
    Puzzle(sequences=1, rows=64, input_tokens=52, max_answer=8),
)
OLD_ONE, NEW_ONE = Loadable.of(OLD), Loadable.of(NEW)
LIFE = (Scheduled(ACTIVE, Activation(NEW, 0)), Scheduled(SETTLED, Settlement(NEW.model)))


@dataclass
class RotationCrew(Crew):
    """Fake workers for the entries that are ``here``; those in ``unfit`` cannot begin."""

    clock: Callable[[], int] = field(default_factory=lambda: node_clock(PARAMS))
    here: set[Loadable] = field(default_factory=lambda: {OLD_ONE, NEW_ONE})
    unfit: set[Loadable] = field(default_factory=set)
    made: dict[Loadable, Workers] = field(default_factory=dict)
    """The last workers of each."""
    params: NetworkParameters = PARAMS

    def is_here(self, entry: Loadable) -> bool:
        return entry in self.here

    def workers(self, entry: Loadable) -> Workers:
        searcher = ManualSearcher(self.params, self.clock, entry)
        if entry in self.unfit:
            searcher = UnfitSearcher(self.params, self.clock, entry)
        provers = (GatedProver(self.params, entry.model), GatedProver(self.params, entry.model))
        self.made[entry] = Workers(searcher, *provers)
        return self.made[entry]

    def use_threads(self, search: int | None, prove: int | None) -> None:
        """Fakes have none."""

    def searcher(self, entry: Loadable) -> ManualSearcher:
        found = self.made[entry].searcher
        assert isinstance(found, ManualSearcher)
        return found

    def call_prover(self, entry: Loadable) -> GatedProver:
        found = self.made[entry].call_prover
        assert isinstance(found, GatedProver)
        return found

    def work_prover(self, entry: Loadable) -> GatedProver:
        found = self.made[entry].work_prover
        assert isinstance(found, GatedProver)
        return found


class UnfitSearcher(ManualSearcher):
    """As a process that finds another model in its folder."""

    async def run(self, *_: Any, **__: Any) -> None:
        raise WorkerError("model 00 is not the chain's")


def confirmed_by_genesis(monkeypatch: pytest.MonkeyPatch, *schedule: Scheduled) -> None:
    """Let every chain begin with this schedule."""
    begin = ChainContext.genesis

    def genesis(_: type[ChainContext], params: NetworkParameters) -> ChainContext:
        return replace(begin(params), schedule=schedule)

    monkeypatch.setattr(ChainContext, "genesis", classmethod(genesis))


def confirmed_by_block(monkeypatch: pytest.MonkeyPatch, height: int, *schedule: Scheduled) -> None:
    """Let the execution of the block at a height confirm this schedule."""
    go_on = ChainContext.extended

    def extended(
        chain: ChainContext, header: Header, outputs: WorkOutputs, paid_tokens: int, *_: Any
    ) -> ChainContext:
        longer = go_on(chain, header, outputs, paid_tokens)
        if header.pre.height != height:
            return longer
        # Sooner than any block may confirm it: a test that waited L blocks would be long.
        return replace(longer, schedule=(*longer.schedule, *schedule))

    monkeypatch.setattr(ChainContext, "extended", extended)


@dataclass
class RotationWorld:
    """The node and its crew."""

    world: NodeWorld
    crew: RotationCrew

    @property
    def height(self) -> int:
        return self.world.height

    def model_at(self, height: int) -> ModelId:
        """The model that a block was mined with."""
        return stored_block(self.world.node.manager.view(), height).header.pre.model_id

    def loaded(self) -> set[Loadable]:
        return set(self.world.service.room.loaded)

    async def mine(self, entry: Loadable, to: int) -> None:
        """Our own blocks up to a height, all with one entry."""
        while self.height < to:
            tip = self.world.node.chain.tip
            searcher = self.crew.searcher(entry)
            await until(lambda: bool(searcher.jobs and searcher.jobs[-1]))  # noqa: B023
            await until(lambda: searcher.job.pre.parent == tip)  # noqa: B023
            await searcher.find()
            await until(lambda: self.world.node.chain.tip != tip)  # noqa: B023
            await rest()


@asynccontextmanager
async def rotating(
    datadir: Path,
    crew: RotationCrew | None = None,
    params: NetworkParameters = PARAMS,
    **plan: Any,
) -> AsyncIterator[RotationWorld]:
    """A node that mines; what confirms its schedule was said before, or is said within."""
    crew = crew or RotationCrew(node_clock(params), params=params)
    async with node_world(datadir, params, crew=crew, **plan) as world, running(world):
        yield RotationWorld(world, crew)
