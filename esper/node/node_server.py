"""What a node serves at its one address: JSON-RPC, metrics, events, gateway and pages."""

import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import trio

from esper.http.counts import HttpCounts
from esper.http.routes import Route
from esper.metrics.routes import metrics_routes
from esper.metrics.sample import NodeGauge
from esper.node.datadir import DataDirectory
from esper.node.gateway.gateway_run import GatewayRun
from esper.node.settings import Settings
from esper.node.telling.wiring import Telling
from esper.rpc.port import NodePort
from esper.rpc.routes import Gate
from esper.rpc.server import serve
from esper.rpc.settings import SECRET_BYTES as COOKIE_BYTES
from esper.rpc.settings import RpcSettings
from esper.saying import say

LOG: Final = logging.getLogger("esper.node")

Pages = Callable[[Sequence[Route[Any]]], Sequence[Route[Any]]]
"""Routes of pages, made once all other routes are known."""


class NodeServer:
    """The HTTP server of a node as a service."""

    def __init__(self, settings: Settings, directory: DataDirectory) -> None:
        self._settings = RpcSettings(
            datadir=directory.path,
            secret=secrets.token_bytes(COOKIE_BYTES),
            host=settings.rpc_host,
            port=settings.rpc_port,
            token_hashes=frozenset(settings.rpc_tokens),
            allowed_hosts=frozenset(settings.rpc_hosts),
            allowed_origins=frozenset(settings.rpc_cors),
        )
        self.port = 0
        """What it listens on, once it has started."""
        self.counts = HttpCounts()
        """Of its connections and refusals."""
        self._has_pages = False
        self._has_gateway = False

    async def run(
        self,
        node: NodePort,
        gauge: NodeGauge,
        telling: Telling,
        gateway: GatewayRun | None,
        pages: Pages,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Serve until cancelled."""
        gate = Gate(self._settings)
        others = [*metrics_routes(gauge, gate), *telling.routes(gate)]
        if gateway is not None:
            others.extend(gateway.routes)
        shown = pages(others)
        self._has_pages, self._has_gateway = bool(shown), gateway is not None
        async with trio.open_nursery() as nursery:
            start = partial(serve, others=[*others, *shown], counts=self.counts)
            self.port = await nursery.start(start, node, self._settings)
            task_status.started()

    def tell_faces(self) -> None:
        """Say what people and programs may open, once it serves."""
        host = self._settings.host
        address = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        if self._has_pages:
            say(LOG, "pages", "pages for browsers at {url}/", url=address)
        if self._has_gateway:
            say(LOG, "api", "base_url of OpenAI's clients: {url}/v1", url=address)
