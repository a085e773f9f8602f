"""Engines of the genesis model in processes of their own, sound and broken."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from esper.gateway.engine_port import EngineModel, Made
from esper.node.serving.engine import ServingEngine
from esper.node.serving.served_model import ServedModel, ServingSettings
from esper.primitives.networks import REGTEST

ROOT = Path(__file__).parents[3]
GENESIS = ServedModel(ROOT / "genesis" / "model", 0, REGTEST.model.model_id)
SETTINGS = ServingSettings(threads=1, memory_mib=64, most_slots=4)
FAULTY = (sys.executable, "-P", str(Path(__file__).with_name("faulty_serving.py")))
"""Serves a model with one weight changed, under the sound one's name."""
LONG_S = 60.0


@asynccontextmanager
async def serving(
    settings: ServingSettings = SETTINGS, models: Sequence[ServedModel] = (GENESIS,)
) -> AsyncIterator[ServingEngine]:
    """An engine that answers with all of its models."""
    changes = Changes()
    engine = ServingEngine(settings, changes.tell)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        engine.serve(models)
        await changes.until(lambda: len(engine.models) == len(models))
        yield engine
        nursery.cancel_scope.cancel()


class Changes:
    """Waits for what an engine becomes."""

    def __init__(self) -> None:
        self._news = trio.Event()

    def tell(self) -> None:
        """It has changed."""
        self._news.set()
        self._news = trio.Event()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Until something holds of it."""
        with trio.fail_after(LONG_S):
            while not holds():
                await self._news.wait()


def only(engine: ServingEngine) -> EngineModel:
    """Its one model."""
    (model,) = engine.models
    return model


async def all_of(tokens: AsyncIterator[list[Made]]) -> list[Made]:
    """Every token of an answer."""
    return [one async for some in tokens for one in some]
