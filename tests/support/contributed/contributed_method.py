"""Serve and call the method that ``docs/contributing.md`` adds; what happened goes to stdout.

Run as ``python -m tests.support.contributed.contributed_method DATADIR`` on sources that have it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio

from esper.rpc.client import NodeError, RpcClient
from esper.rpc.dispatch import Access, Dispatcher
from esper.rpc.methods import DISCOVER, METHODS, NOTHING
from tests.support.node.answering import Answering
from tests.support.node.fake_node import settings
from tests.support.node.node_world import go, node_world


def served(dispatcher: Dispatcher) -> Answering:
    """A server without a socket; its client runs in a thread."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = trio.from_thread.run(dispatcher.answer, request.content, Access.READ)
        return httpx.Response(200, content=iter([body or b""]))

    return Answering(answer)


async def asked(datadir: Path) -> dict[str, Any]:
    """What a node without blocks said, then one with three."""
    spacing = METHODS["get_spacing"]
    found: dict[str, Any] = {"example": spacing.example.params}
    datadir.mkdir(exist_ok=True)
    async with node_world(datadir, mines=False) as world:
        exchange = served(
            Dispatcher(world.node.rpc, settings(datadir), new_incident=lambda: "none")
        )
        with RpcClient("http://127.0.0.1:9334/", exchange=exchange) as client:

            async def call(function: Callable[[], Any]) -> Any:
                return msgspec.to_builtins(await trio.to_thread.run_sync(function))

            try:
                await call(lambda: client.call(spacing, spacing.read({})))
            except NodeError as error:
                found["refused"] = error.code
            for _ in range(3):
                await world.others_turn()
            found["times"] = world.node.manager.context.times_ms
            found["reply"] = await call(lambda: client.call(spacing, spacing.read({"blocks": 2})))
            document = await call(lambda: client.call(DISCOVER, NOTHING))
    found["described"] = next(
        method for method in document["methods"] if method["name"] == spacing.name
    )
    return found


if __name__ == "__main__":
    print(json.dumps(go(lambda: asked(Path(sys.argv[1])))))
