"""Models for the RPC: which may be mined when, and which of them are at this node."""

from collections.abc import Sequence

from esper.consensus.context import ChainContext
from esper.node.chain.chain_service import ChainService
from esper.node.entries.places import EntryPlaces
from esper.node.entries.plan import Run, runs_from
from esper.node.mining.mining_control import MiningControl
from esper.node.workers.loadable import Loadable
from esper.primitives.ids import ModelId
from esper.rpc import schema as s

NOT_LOADED = "no"


class ModelViews:
    """Answers about models, of a node that mines and of one that does not."""

    def __init__(
        self, chain: ChainService, places: EntryPlaces | None, mining: MiningControl | None
    ) -> None:
        """``places`` say what lies here, None: nothing is known to."""
        self._chain = chain
        self._places = places
        self._mining = mining

    async def models(self, _: s.NoParams) -> s.LocalModels:
        """All that may be mined from the next block on, and all that lies here."""
        chain = self._chain.view.context
        runs = runs_from(chain.registry, chain.schedule, chain.height + 1)
        known = [self._model(run, chain) for run in runs]
        return s.LocalModels(chain.height, [*known, *self._others(runs)])

    def _model(self, run: Run, chain: ChainContext) -> s.LocalModel:
        workers = None if self._mining is None else self._mining.loaded.get(run.entry)
        return s.LocalModel(
            model_id=run.entry.model_id.hex(),
            tier=run.entry.model.tier,
            standing=_standing(run, chain),
            first=run.first,
            until=run.last,
            here=workers is not None or self._is_here(run.entry),
            loaded=NOT_LOADED if workers is None else workers.readiness.value,
        )

    def _is_here(self, entry: Loadable) -> bool:
        return self._places is not None and self._places.find(entry) is not None

    def _others(self, runs: Sequence[Run]) -> list[s.LocalModel]:
        """What lies here and no block may be mined with."""
        if self._places is None:
            return []
        mined = {run.entry.model_id for run in runs}
        return [_useless(model_id) for model_id in self._places.lying() if model_id not in mined]


def _standing(run: Run, chain: ChainContext) -> str:
    if run.first > chain.height + 1:
        return "scheduled"
    owned = {Loadable.of(tier.own) for tier in chain.registry.tiers}
    return "own" if run.entry in owned else "previous"


def _useless(model_id: ModelId) -> s.LocalModel:
    return s.LocalModel(model_id.hex(), None, "none", None, None, True, NOT_LOADED)
