"""What an operator decides about a node's gateway."""

from dataclasses import dataclass

from esper.gateway.service.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """A gateway beside the node."""

    service: ServiceSettings
    """How it serves."""
    memory_mib: int = 512
    """MiB that answers in the making may take."""
