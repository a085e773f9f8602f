"""Slots of the engine and the queue before them, as tasks wait for them."""

from collections import Counter
from dataclasses import dataclass, field

import trio

from esper.gateway.engine_port import EngineModel
from esper.gateway.keys import Account
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.service.waiting.fair_queue import FairQueue


@dataclass(eq=False, slots=True)
class Ticket:
    """A place in the queue, then a slot. Given back by ``SlotDesk.leave``."""

    key: str
    model_id: bytes
    streams: int
    """How many the key may have running."""
    slots: int
    """How many the model has."""
    called: trio.Event = field(default_factory=trio.Event)
    """Set once it has a slot."""
    left: bool = False
    """Whether it was given back."""


class SlotDesk:
    """Hands out slots. Raises nothing but what its queue does."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._queue: FairQueue[Ticket] = FairQueue(settings.waiting, settings.waiting_of_key)
        self._of_model: Counter[bytes] = Counter()
        self._of_key: Counter[str] = Counter()

    @property
    def used(self) -> int:
        """Slots in use."""
        return self._of_model.total()

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def join(self, account: Account, model: EngineModel) -> Ticket:
        """Wait, or have a slot at once. Raises QueueFullError."""
        slots = min(model.slots, self._settings.slots)
        ticket = Ticket(account.id, model.model_id, account.streams, slots)
        self._queue.join(account.id, ticket)
        self._call()
        return ticket

    def before(self, ticket: Ticket) -> int:
        """How many go first."""
        return self._queue.before(ticket.key, ticket)

    def leave(self, ticket: Ticket) -> bool:
        """Give back place or slot; whether that was still to be done."""
        if ticket.left:
            return False
        ticket.left = True
        if not self._queue.leave(ticket.key, ticket):
            self._of_model[ticket.model_id] -= 1
            self._of_key[ticket.key] -= 1
            if not self._of_key[ticket.key]:
                del self._of_key[ticket.key]
        self._call()
        return True

    def _call(self) -> None:
        while (ticket := self._queue.next(self._may)) is not None:
            self._of_model[ticket.model_id] += 1
            self._of_key[ticket.key] += 1
            ticket.called.set()

    def _may(self, key: str, ticket: Ticket) -> bool:
        is_free = self._of_model[ticket.model_id] < ticket.slots
        return is_free and self._of_key[key] < ticket.streams
