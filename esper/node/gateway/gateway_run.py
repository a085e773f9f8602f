"""The gateway as a service of a node: database, engine and routes, from start to end."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

import esper
from esper.gateway.keys import Account
from esper.gateway.service.clock import Clock
from esper.gateway.service.gateway_service import GatewayService, NodePorts
from esper.gateway.service.routes import gateway_routes
from esper.gateway.store.gateway_store import GatewayStore
from esper.http.routes import Route
from esper.metrics.gateway_sample import GatewaySample
from esper.node.gateway.gateway_plan import GatewayEngine
from esper.node.gateway.local.local_key import console_account, local_account
from esper.node.gateway.node_gateway import NodeGateway
from esper.node.gateway.webhooks import webhook_sender
from esper.node.in_force import parameters_of
from esper.node.serving.served_model import ServedModel
from esper.node.views.gauges.gateway_gauge import gateway_sample
from esper.vm.call_rows import call_rows

WEIGHTS: Final = "g16.safetensors"
"""Without it a folder has a tokenizer at most."""


class GatewayRun:
    """Run it before the server whose ``routes`` it has."""

    def __init__(self, gateway: NodeGateway) -> None:
        self._gateway = gateway
        self.routes: Sequence[Route[Any]] = ()
        """There once it has started."""
        self._sample: Callable[[], GatewaySample] | None = None

    def sample(self) -> GatewaySample | None:
        """Its numbers; None before it has started."""
        return None if self._sample is None else self._sample()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Raises StoreError."""
        gateway = self._gateway
        now_ms = gateway.parts.clock()
        async with gateway.opened(sender=webhook_sender(gateway.parts.clock)) as running:
            for account in (local_account(now_ms), console_account(now_ms)):
                await running.store.ask(partial(_put, account))
            engine = gateway.plan.engine(self._rows())
            service = GatewayService(
                engine,
                gateway.texts,
                gateway.plan.service,
                version=esper.__version__,
                clock=Clock(gateway.parts.clock),
                node=NodePorts(running.store, gateway.signer, running.proving, gateway.chain),
                counts=gateway.counts,
            )
            self._sample = lambda: gateway_sample(service, running.driver.all_rows)
            self.routes = gateway_routes(service)
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                nursery.start_soon(self._keep_models, engine)
                task_status.started()

    async def _keep_models(self, engine: GatewayEngine) -> None:
        """Serve the own models of all tiers whose files lie here."""
        while True:
            changed = self._gateway.parts.chain.next_change
            engine.serve(self._models())
            await changed.wait()

    def _models(self) -> list[ServedModel]:
        tiers = self._gateway.parts.chain.view.context.registry.tiers
        found: list[ServedModel] = []
        for tier in tiers:
            folder = self._gateway.plan.folder_of(tier.model.model_id)
            if folder is not None and _has_weights(folder):
                found.append(ServedModel(folder, tier.model.tier, tier.model.model_id))
        return found

    def _rows(self) -> int:
        """The most rows of a call to any model."""
        view = self._gateway.parts.chain.view
        rules = parameters_of(view.context, view.state).calls
        return max(call_rows(rules, tier.model.shape) for tier in view.context.registry.tiers)


def _has_weights(folder: Path) -> bool:
    return (folder / WEIGHTS).exists()


def _put(account: Account, store: GatewayStore) -> None:
    store.accounts.put_local(account)
