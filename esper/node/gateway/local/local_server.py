"""``esperd serve``: a model for the programs of this machine, without chain, keys or receipts."""

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

import esper
from esper.gateway.service.clock import Clock
from esper.gateway.service.gateway_service import GatewayService
from esper.gateway.service.routes import gateway_routes
from esper.gateway.service.settings import ServiceSettings
from esper.http import server
from esper.http.addresses import is_loopback
from esper.http.listening import BindError, Listening, listen
from esper.http.settings import HttpSettings
from esper.model.templates.apart.template_process import TemplateProcess
from esper.node.clock import wall_ms
from esper.node.gateway.gateway_plan import GatewayEngine
from esper.node.gateway.local.local_texts import LocalTexts, folder_text
from esper.node.interpreter import share_interpreter
from esper.node.serving.served_model import ServedModel
from esper.node.setting_fields import SettingsError
from esper.saying import say

LOG: Final = logging.getLogger("esper.serve")
OLLAMA_HOST: Final = "127.0.0.1"
"""Where Ollama's programs look."""
CONNECTIONS_OF_ADDRESS: Final = 512
"""All clients are of one address here."""
WAITING_OF_KEY: Final = 256
"""And all of one key."""


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """What is served, and where."""

    folder: Path
    """Of the model."""
    host: str
    """An address or name of loopback: who reaches it needs no key."""
    port: int
    """0 takes any that is free."""
    ollama_port: int | None
    """The same routes once more, where Ollama's programs look; None for nowhere."""
    engine: Callable[[], GatewayEngine]
    """Makes what answers."""

    def check(self) -> None:
        """Raises SettingsError for a host beyond this machine."""
        if not is_loopback(self.host):
            raise SettingsError(
                f"--host {self.host}: must be of this machine alone, such as 127.0.0.1: there are "
                "no keys here; `esperd node --gateway` has them"
            )


async def serve_locally(
    plan: LocalPlan, process: TemplateProcess, told: Callable[[list[str]], None]
) -> None:
    """Serve until a signal. ``told`` is given the addresses once it listens.

    ``process`` runs the model's chat template. Raises SettingsError, ModelError and BindError.
    """
    plan.check()
    share_interpreter()
    texts = LocalTexts(folder_text(plan.folder, process))
    engine = plan.engine()
    service = GatewayService(
        engine,
        texts,
        ServiceSettings(is_open=True, waiting_of_key=WAITING_OF_KEY),
        version=esper.__version__,
        clock=Clock(wall_ms),
    )
    routes = gateway_routes(service)
    places = await _listen_all(plan)
    try:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                engine.serve([ServedModel(plan.folder, tier=0)])
                for settings, listening in places:
                    nursery.start_soon(server.serve, routes, settings, listening)
                told([listening.url for _, listening in places])
                async for number in signals:
                    name = signal.Signals(number).name
                    say(LOG, "closing", "{signal}: closing", signal=name)
                    nursery.cancel_scope.cancel()
                    break
    finally:
        for _, listening in places:
            listening.close()


async def _listen_all(plan: LocalPlan) -> list[tuple[HttpSettings, Listening]]:
    """Raises BindError, which names the option."""
    wanted = [(plan.host, plan.port, "--port")]
    if plan.ollama_port is not None:
        wanted.append((OLLAMA_HOST, plan.ollama_port, "--ollama-port"))
    found: list[tuple[HttpSettings, Listening]] = []
    try:
        for host, port, option in wanted:
            settings = HttpSettings(
                host=host, port=port, max_connections_per_address=CONNECTIONS_OF_ADDRESS
            )
            try:
                found.append((settings, await listen(host, port)))
            except BindError as error:
                told = str(error).replace("--rpc-port", option).replace("--rpc-host", "--host")
                raise BindError(told.replace("Another node", "Another program")) from error
    except BaseException:
        for _, listening in found:
            listening.close()
        raise
    return found
