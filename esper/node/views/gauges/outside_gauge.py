"""How programs outside are served: events and connections."""

from esper.http.counts import HttpCounts
from esper.metrics.sample import EventsSample, HttpSample
from esper.node.telling.wiring import Telling


class OutsideGauge:
    """Events and HTTP of a node."""

    def __init__(self, telling: Telling, counts: HttpCounts) -> None:
        self._telling = telling
        self._counts = counts

    def events(self) -> EventsSample:
        """Who is told what."""
        found = self._telling.log.counts()
        publisher = self._telling.publisher
        refused = 0 if publisher is None else publisher.dropped
        return EventsSample(found.appended, found.subscribers, found.dropped + refused)

    def http(self) -> HttpSample:
        """Who is connected, and what was refused."""
        return HttpSample(self._counts.connections, self._counts.refused)
