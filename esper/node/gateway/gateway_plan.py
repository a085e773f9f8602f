"""What an operator decides about a node's gateway."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import trio

from esper.gateway.engine_port import EnginePort
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.store.old_books import BookAges
from esper.node.serving.served_model import ServedModel
from esper.primitives.ids import ModelId


class GatewayEngine(EnginePort, Protocol):
    """An engine that is told what to serve."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve until cancelled."""

    def serve(self, models: Iterable[ServedModel]) -> None:
        """Serve these from now on."""


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """A gateway beside the node."""

    service: ServiceSettings
    """How it serves."""
    engine: Callable[[int], GatewayEngine]
    """Makes the engine for so many rows of a call."""
    folder_of: Callable[[ModelId], Path | None]
    """Where the files of a model lie that can be loaded, None where they do not."""
    ages: BookAges = field(default_factory=BookAges)
    """How long the books are kept."""
