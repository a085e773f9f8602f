"""Services of a node: what runs beside the others for as long as the node does.

    start   signals ─▶ rpc ─▶ mining        each when the one before it is up
    stop    signals ◀─ rpc ◀─ mining        each when the one behind it has ended

None of them ends by itself. If one does, or fails, those behind it are stopped, then those before
it, and the node ends with the error.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from esper.saying import complain

LOG: Final = logging.getLogger("esper.node")


class ServiceEndedError(Exception):
    """A service ended though nobody stopped it and nothing failed; the message names it."""


class Run(Protocol):
    """The whole life of a service."""

    async def __call__(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Run until cancelled, and close then what was opened; started once it may be relied on.

        Whatever is raised ends the node.
        """


@dataclass(frozen=True, slots=True)
class Service:
    """One of the list."""

    name: str
    """For log lines and errors."""
    run: Run
    """Runs it."""


class StopRequest:
    """The wish that the node ends: from a signal, a person, or the last wanted block."""

    def __init__(self) -> None:
        self.made = False
        """Whether somebody wishes it."""
        self._scope: trio.CancelScope | None = None

    def __call__(self) -> None:
        """End the node. Again is no more than once."""
        self.made = True
        if self._scope is not None:
            self._scope.cancel()

    @contextmanager
    def cuts_short(self) -> Iterator[None]:
        """What waits within is cancelled by the request. One such block at a time."""
        with trio.CancelScope() as scope:
            self._scope = scope
            if self.made:
                scope.cancel()
            try:
                yield
            finally:
                self._scope = None


async def run_services(
    services: Sequence[Service], stop: StopRequest, up: Callable[[], None]
) -> None:
    """Start all in order, call ``up``, and stop them in reverse on request.

    Raises in groups what services raise, and ServiceEndedError.
    """
    async with AsyncExitStack() as running:
        for service in services:
            await running.enter_async_context(_running(service, stop))
        if not stop.made:
            up()
        with stop.cuts_short():
            await trio.sleep_forever()


@asynccontextmanager
async def _running(service: Service, stop: StopRequest) -> AsyncIterator[None]:
    """The service runs within; not at all if the node is to end already."""
    is_up = False

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        try:
            await service.run(task_status=task_status)
            # One that is stopped may come to its end without noticing.
            await trio.lowlevel.checkpoint_if_cancelled()
            raise ServiceEndedError(f"{service.name} ended by itself")
        except* Exception as group:
            if is_up:
                complain(
                    LOG,
                    "service_failed",
                    "{service} ends the node: {reason}",
                    service=service.name,
                    reason=str(_first(group)),
                )
            raise

    async with trio.open_nursery() as nursery:
        if not stop.made:
            with stop.cuts_short():
                await nursery.start(run)
                is_up = True
        yield
        nursery.cancel_scope.cancel()


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """An error of a group of groups, whose own text says nothing."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
