"""The gateway of a node, from its settings."""

from __future__ import annotations

from esper.gateway.service.settings import ServiceSettings
from esper.gateway.store.old_books import BookAges
from esper.http.addresses import is_loopback
from esper.node.entries.places import EntryPlaces
from esper.node.gateway.gateway_plan import GatewayPlan
from esper.node.serving.engine import ServingEngine
from esper.node.serving.served_model import ServingSettings
from esper.node.settings import Settings
from esper.node.workers.threads import processors
from esper.primitives.params import NetworkParameters


def gateway_plan(
    settings: Settings, params: NetworkParameters, places: EntryPlaces
) -> GatewayPlan | None:
    """None for a node without gateway."""
    if settings.gateway == "off" or (settings.gateway == "auto" and not params.is_local):
        return None
    here_alone = is_loopback(settings.rpc_host) and not settings.rpc_hosts
    service = ServiceSettings(
        is_open=params.is_local and settings.gateway_open and here_alone,
        rate=settings.gateway_rate,
    )

    def engine(rows: int) -> ServingEngine:
        threads = settings.gateway_threads or processors()
        return ServingEngine(ServingSettings(threads, settings.gateway_memory_mib, rows=rows))

    ages = BookAges(settings.gateway_ledger_days, settings.gateway_usage_days)
    return GatewayPlan(service, engine, places.folder_of, ages)
