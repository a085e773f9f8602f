"""The log of what happened, for the RPC."""

from esper.events.log import EventLog
from esper.rpc import schema as s


class EventViews:
    """Answers about events."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def events(self, params: s.EventsParams) -> s.EventsReply:
        """Those behind a number."""
        log = self._log
        found = log.after(params.after, params.n)
        happened = [s.Happened(one.seq, one.topic, dict(one.data)) for one in found]
        return s.EventsReply(log.boot, log.oldest, log.next, happened)
