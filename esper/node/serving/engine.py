"""The engine of a gateway: models in processes of their own, many answers at a time.

engine = ServingEngine(settings)
nursery.start_soon(engine.run)
engine.serve([ServedModel(folder, tier=0)])
async with engine.answer(Job(model_id, prompt, 32)) as tokens:
    async for made in tokens: ...
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import trio

from esper.gateway.engine_port import EngineError, EngineModel, Job, Made
from esper.node.serving.model_server import ModelServer
from esper.node.serving.served_model import ServedModel, ServingSettings


class ServingEngine:
    """An ``EnginePort``. All of it belongs to the event loop."""

    def __init__(
        self, settings: ServingSettings, changed: Callable[[], object] = lambda: None
    ) -> None:
        """``changed`` is called when ``models`` has changed."""
        self._settings = settings
        self._changed = changed
        self._servers: dict[ServedModel, tuple[ModelServer, trio.CancelScope]] = {}
        self._nursery: trio.Nursery | None = None

    @property
    def models(self) -> Sequence[EngineModel]:
        """Those that answer now, by tier."""
        lines = (server.line for server, _ in self._servers.values())
        found = [line.model for line in lines if line is not None]
        return tuple(sorted(found, key=lambda model: model.tier))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Models that cannot be loaded are tried again, ever less often."""
        try:
            async with trio.open_nursery() as self._nursery:
                for server, scope in self._servers.values():
                    self._nursery.start_soon(self._keep, server, scope)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def serve(self, models: Iterable[ServedModel]) -> None:
        """Serve these from now on; answers of others that are under way fail."""
        wanted = tuple(dict.fromkeys(models))
        for gone in [model for model in self._servers if model not in wanted]:
            _, scope = self._servers.pop(gone)
            scope.cancel()
        for model in wanted:
            if model not in self._servers:
                server = ModelServer(model, self._settings, self._changed)
                scope = trio.CancelScope()
                self._servers[model] = server, scope
                if self._nursery is not None:
                    self._nursery.start_soon(self._keep, server, scope)

    @asynccontextmanager
    async def answer(self, job: Job) -> AsyncIterator[AsyncIterator[list[Made]]]:
        """Tokens as they come. Raises EngineError, and JobError for a job that does not fit."""
        lines = (server.line for server, _ in self._servers.values())
        found = next((one for one in lines if one and one.model.model_id == job.model_id), None)
        if found is None:
            raise EngineError(f"model {job.model_id.hex()[:16]}… does not answer now")
        async with found.answer(job) as tokens:
            yield tokens

    async def _keep(self, server: ModelServer, scope: trio.CancelScope) -> None:
        with scope:
            await server.run()
