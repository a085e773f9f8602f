"""What a subscriber has heard so far."""

from typing import TypeVar

from esper.node.events import Missed, NodeEvent, Subscription

E = TypeVar("E", bound=NodeEvent)


async def heard(subscription: Subscription[E]) -> list[E | Missed]:
    """Everything that waits for a subscriber now."""
    found: list[E | Missed] = []
    while subscription.statistics().waiting or subscription.statistics().missed:
        found.append(await subscription.receive())
    return found
