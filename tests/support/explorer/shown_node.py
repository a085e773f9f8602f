"""A node of fake work with something to look at, and its pages on a server of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio
from starlette.requests import HTTPConnection

from esper.explorer.routes import explorer_routes
from esper.http.routes import RefusedError
from esper.rpc.server import serve
from tests.support.explorer.hostile_texts import hostile_texts
from tests.support.node.fake_node import settings
from tests.support.node.node_world import (
    PARAMS,
    SPACING_MS,
    NodeWorld,
    go,
    grown_datadir,
    node_world,
    pay,
    running,
)
from tests.support.node.rpc_asking import mined_with_what_waits, text
from tests.support.vm_world import ALICE, BOB, CAROL, COIN


@dataclass
class Shown:
    """What there is to look at."""

    txids: dict[str, str]
    """By kind."""
    address: str
    """Of somebody with a history."""


def shown_datadir(folder: Path) -> Shown:
    """A chain with payments and answered calls, and some that wait."""
    grown_datadir(folder)
    shown = Shown({}, text(ALICE))

    async def grow() -> None:
        async with node_world(folder) as world, running(world):
            for turn in range(9):
                paid = await world.send(BOB, pay(CAROL, (turn + 1) * COIN // 8))
                [called] = await world.send_calls(50 + turn)
                await mined_with_what_waits(world)
                shown.txids |= {"transfer": paid.txid.hex(), "llm-call": called.hex()}
            await world.send(BOB, pay(ALICE))
            [waiting] = await world.send_calls(90)
            shown.txids["waiting"] = waiting.hex()

    go(grow)
    return shown


@dataclass
class Gate:
    """The authority of the streams."""

    is_open: bool = True
    """Whether they are let in from now on."""

    async def pages(self, request: HTTPConnection) -> None:
        """Raises RefusedError."""
        if not self.is_open:
            raise RefusedError(503, "no streams now")


@dataclass
class Running:
    """A node whose pages are served."""

    url: str
    """Of its first page."""
    world: NodeWorld
    run: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]
    """Runs a task in the node's loop, from the test's thread."""
    gate: Gate
    """Lets streams of events in."""


@contextmanager
def pages_of(folder: Path, cookie: Path) -> Iterator[Running]:
    """Serve the pages of a data directory, with ``cookie`` as the folder of the RPC's."""
    began = time.monotonic()
    tip = PARAMS.genesis_time_ms + 1000 * SPACING_MS
    started: list[Running] = []
    ready, scope = threading.Event(), trio.CancelScope()
    failed: list[BaseException] = []
    gate = Gate()

    def wall() -> int:
        return tip + round(1000 * (time.monotonic() - began))

    async def main() -> None:
        texts = hostile_texts(PARAMS)
        async with node_world(folder, mines=False, texts=texts, wall=wall) as world:
            pages = explorer_routes(
                world.node.rpc, remote=False, clock=wall, has_events=True, has_console=True
            )
            others = [*world.node.telling.routes(gate.pages), *pages]
            token = trio.lowlevel.current_trio_token()
            with scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(world.node.telling.run)
                    start = partial(serve, others=others)
                    port = await nursery.start(start, world.node.rpc, settings(cookie))
                    run = partial(trio.from_thread.run, trio_token=token)
                    started.append(Running(f"http://127.0.0.1:{port}", world, run, gate))
                    ready.set()

    def thread() -> None:
        try:
            trio.run(main)
        except BaseException as error:
            failed.append(error)
        ready.set()

    serving = threading.Thread(target=thread)
    serving.start()
    try:
        assert ready.wait(60)
        if failed:
            raise failed[0]
        yield started[0]
    finally:
        if started:
            started[0].run(_cancelled(scope))
        serving.join(30)


def _cancelled(scope: trio.CancelScope) -> Callable[[], Coroutine[Any, Any, None]]:
    async def cancel() -> None:
        scope.cancel()

    return cancel
