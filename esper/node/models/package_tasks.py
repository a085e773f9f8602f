"""What is done with a package: by whom, how far it is, and how often it is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import trio

from esper.p2p.packages.events import PackageProgress

LOOK_AGAIN_S: Final = 30.0
"""Between two looks where no tip comes: whether the node is synced may have changed."""
REST_S: Final = 60.0
"""Between a failure of this machine and the next try."""
ATTEMPTS: Final = 3
"""Checks that may fail in a row: a package that ends the process each time is no one's model."""
BACK_OFF_S: Final = 3600.0
"""After so many: perhaps it was the machine's fault after all."""
STALL_S: Final = 300.0
"""A package of which nothing came for so long leaves its place among the downloads to others."""
YIELD_S: Final = 180.0
"""For so long: others try once in ``REST_S``."""


class PackageNetwork(Protocol):
    """Fetches and gives packages: ``p2p.service.packages.Packages``."""

    async def fetch(self, root: bytes, priority: int = 0) -> None:
        """Until it is whole. Raises what ``Packages.fetch`` does."""
        ...

    async def offer(self, root: bytes) -> bool:
        """Give what is here of it. Raises TooManyOffersError."""
        ...

    def withdraw(self, root: bytes) -> None:
        """Give it no more."""
        ...

    def progress(self) -> Sequence[PackageProgress]:
        """Of all that is fetched."""
        ...


@dataclass(slots=True)
class Task:
    """What is done with one package now."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)
    checking: bool = False
    trouble: str = ""
    """This machine's own, for people."""


async def either(first: trio.Event, second: trio.Event) -> None:
    """Until one of them happens."""

    async def wait(event: trio.Event) -> None:
        await event.wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, first)
        nursery.start_soon(wait, second)


async def unless_it_stalls(network: PackageNetwork, root: bytes) -> bool:
    """Fetch a package; False if nothing came of it for ``STALL_S``, and it was given up.

    Raises what ``fetch`` does.
    """
    over, failure = False, None

    async def watch() -> None:
        last = -1
        while (done := _done(network, root)) > last:
            last = done
            await trio.sleep(STALL_S)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        try:
            await network.fetch(root)
            over = True
        except Exception as error:
            # Raised below, as it is: a nursery would make a group of it.
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return over


def _done(network: PackageNetwork, root: bytes) -> int:
    """Chunks that are here, 0 while nothing is known."""
    return max((one.done for one in network.progress() if one.root == root), default=0)
