"""Calls that are at work, for those who sent the same request and wait for its answer."""

import trio


class CallsAtWork:
    """Begun before a request is noted, ended once its answer is stored or it failed."""

    def __init__(self) -> None:
        self._ends: dict[str, trio.Event] = {}

    def begin(self, call: str) -> None:
        """It is at work."""
        self._ends[call] = trio.Event()

    def end(self, call: str) -> None:
        """It is not any more; a second time changes nothing."""
        found = self._ends.pop(call, None)
        if found is not None:
            found.set()

    async def wait(self, call: str) -> None:
        """Until it has ended."""
        found = self._ends.get(call)
        if found is not None:
            await found.wait()
