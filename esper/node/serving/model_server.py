"""The process of one model: started, started again when it ends, and ended."""

import logging
from collections.abc import Callable
from typing import Final

import trio

from esper.gateway.engine_port import EngineModel
from esper.node.serving.model_line import ModelLine
from esper.node.serving.served_model import ServedModel, ServingSettings
from esper.node.workers.serve_messages import Serving
from esper.node.workers.worker_process import WorkerError, WorkerProcess
from esper.saying import complain, say

LOG: Final = logging.getLogger("esper.serving")
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
SOUND_S: Final = 60.0
"""Who lived so long ends for another reason than the last: it is started again soon."""


class ModelServer:
    """Keeps one model answering."""

    def __init__(
        self,
        served: ServedModel,
        settings: ServingSettings,
        changed: Callable[[], object],
    ) -> None:
        """``changed`` is called when it begins to answer, and when it no longer does."""
        self.served = served
        """What it serves."""
        self.line: ModelLine | None = None
        """Who answers; None while nobody does."""
        self._settings = settings
        self._changed = changed
        self._wait_s = FIRST_WAIT_S

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            began = trio.current_time()
            reason = await self._live()
            if trio.current_time() - began > SOUND_S:
                self._wait_s = FIRST_WAIT_S
            complain(
                LOG,
                "serving_stopped",
                "model {model} does not answer: {reason}; starting it again in {seconds:g} s",
                model=self.served.short,
                reason=reason,
                seconds=self._wait_s,
            )
            await trio.sleep(self._wait_s)
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    async def _live(self) -> str:
        """One life of the process; why it ended."""
        reason = "the node stops serving this model"
        try:
            settings, served = self._settings, self.served
            worker = await WorkerProcess.launch(
                "serve", settings.command(served), settings.threads, settings.begin(served)
            )
        except WorkerError as error:
            return str(error)
        try:
            self.line = await self._opened(worker)
            model = self.line.model
            say(
                LOG,
                "serving_started",
                "model {model} answers, {slots} at once",
                model=self.served.short,
                slots=model.slots,
                rows=model.rows,
            )
            self._changed()
            await self.line.run()
        except* WorkerError as group:
            reason = str(_first_of(group))
        finally:
            if self.line is not None:
                self.line.end(reason)
                self.line = None
                self._changed()
            await worker.end()
        return reason

    async def _opened(self, worker: WorkerProcess) -> ModelLine:
        match await worker.receive():
            case Serving() as serving:
                model = EngineModel(
                    model_id=serving.model_id,
                    tier=self.served.tier,
                    rows=serving.rows,
                    vocabulary=serving.vocabulary,
                    eos=serving.eos,
                    logit_scale=serving.logit_scale,
                    slots=serving.slots,
                )
                return ModelLine(worker, model)
            case other:
                raise WorkerError(f"serve worker began with {type(other).__name__}")


def _first_of(group: BaseExceptionGroup[WorkerError]) -> WorkerError:
    """An error of a group of groups, whose own text says nothing."""
    error = group.exceptions[0]
    return _first_of(error) if isinstance(error, BaseExceptionGroup) else error
