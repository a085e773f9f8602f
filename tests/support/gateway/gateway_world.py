"""A gateway on a loopback port, in a thread of its own, for clients that block."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import openai
import trio

from esper.gateway.keys import Account, key_hash, key_id, make_key
from esper.gateway.ports import TextsPort
from esper.gateway.service.clock import Clock
from esper.gateway.service.gateway_service import GatewayService, NodePorts
from esper.gateway.service.routes import gateway_routes
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.store_thread import StoreThread
from esper.http.listening import listen
from esper.http.routes import Route
from esper.http.server import serve
from esper.http.settings import HttpSettings
from tests.support.gateway.accounts import account
from tests.support.gateway.standin_engine import StandinEngine, StandinTexts
from tests.support.gateway.standin_node import StandinChain, StandinProving, StandinSigner

T = TypeVar("T")
PATIENCE_S = 30.0
ALICE = make_key(bytes(range(38)))
BOB = make_key(bytes(range(1, 39)))
SETTINGS = ServiceSettings(rate=1, send_every_s=0.001, wrong_key_delay_s=0.001, is_open=False)


@dataclass
class GatewayWorld:
    """The server's side, and ways to it."""

    url: str = ""
    engine: StandinEngine = field(default_factory=StandinEngine)
    signer: StandinSigner = field(default_factory=StandinSigner)
    proving: StandinProving = field(default_factory=StandinProving)
    chain: StandinChain = field(default_factory=StandinChain)
    service: GatewayService = None  # type: ignore[assignment]  # set before tests see it
    store: StoreThread | None = None
    token: trio.lowlevel.TrioToken = None  # type: ignore[assignment]  # set with it
    routes: list[Route[Any]] = field(default_factory=list)
    end: trio.Event = field(default_factory=trio.Event)
    clients: list[openai.OpenAI] = field(default_factory=list)
    """Closed with the world, so that none is while somebody reads its stream."""

    def inside(self, what: Callable[[], T]) -> T:
        """Do it in the server's loop."""
        return trio.from_thread.run_sync(what, trio_token=self.token)

    def ask(self, question: Callable[[GatewayStore], T]) -> T:
        """Ask the database."""
        assert self.store is not None
        return trio.from_thread.run(self.store.ask, question, trio_token=self.token)

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Until the server's side is so."""

        async def wait() -> None:
            with trio.fail_after(PATIENCE_S):
                while not is_so():
                    await trio.sleep(0.001)

        trio.from_thread.run(wait, trio_token=self.token)

    def hold(self, at: int = 0) -> trio.Event:
        """Have answers wait before a token; the event lets them go (``let_go``)."""
        gate = trio.Event()

        def put() -> None:
            self.engine.gate, self.engine.held_at = gate, at

        self.inside(put)
        return gate

    def let_go(self, gate: trio.Event) -> None:
        """Answers that wait go on, and none waits any more."""

        def go() -> None:
            self.engine.gate = None
            gate.set()

        self.inside(go)

    def client(self, key: str = ALICE, **more: Any) -> Any:
        """OpenAI's own; its overloads are not for fields given as a dict."""
        made = openai.OpenAI(
            api_key=key, base_url=f"{self.url}v1", max_retries=0, timeout=PATIENCE_S, **more
        )
        self.clients.append(made)
        return made

    def http(self, key: str | None = ALICE, **headers: str) -> httpx.Client:
        """A plain client; the key ``None`` sends none."""
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S)

    def socket(self) -> socket.socket:
        """A connection to say anything on."""
        port = int(self.url.rsplit(":", 1)[1].strip("/"))
        return socket.create_connection(("127.0.0.1", port), PATIENCE_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def named(key: str, **changes: Any) -> Account:
    """An account of a key that is not short of anything."""
    more: dict[str, Any] = {
        "budget": 10**9,
        "requests_per_minute": 10_000,
        "tokens_per_minute": 10**9,
    }
    more |= {"scopes": frozenset({"infer", "prove", "receipts", "usage"}), "streams": 64}
    return account(**{**more, "id": key_id(key), "hash": key_hash(key), "name": "a", **changes})


@contextmanager
def gateway_world(
    folder: Path | None,
    *accounts: Account,
    settings: ServiceSettings = SETTINGS,
    clock: Clock | None = None,
    http: HttpSettings | None = None,
    engine: StandinEngine | None = None,
    texts: TextsPort | None = None,
    **changes: Any,
) -> Iterator[GatewayWorld]:
    """Serve until the end. ``folder``: of the database; None serves without a chain.

    ``changes`` are of the settings; without accounts there is ALICE's.
    """
    world = GatewayWorld(engine=engine or StandinEngine())
    settings = replace(settings, **changes)
    http = http or HttpSettings(port=0, shutdown_s=0.5)
    ready = threading.Event()
    failed: list[BaseException] = []

    async def main() -> None:
        world.token = trio.lowlevel.current_trio_token()
        if folder is not None:
            world.store = await StoreThread.open(folder / "gateway.db")
            for one in accounts or (named(ALICE),):
                await world.store.ask(partial(_put, one))
        try:
            node = None
            if world.store is not None:
                node = NodePorts(world.store, world.signer, world.proving, world.chain)
            world.service = GatewayService(
                world.engine,
                texts or StandinTexts(),
                settings,
                version="1.2.3",
                clock=clock or Clock(_now_ms),
                node=node,
            )
            world.routes = gateway_routes(world.service)
            listening = await listen(http.host, http.port)
            world.url = listening.url
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve, world.routes, http, listening)
                ready.set()
                await world.end.wait()
                nursery.cancel_scope.cancel()
        finally:
            if world.store is not None:
                await world.store.close()

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:  # shown by the test
            failed.append(error)
        ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S)
    try:
        if failed:
            raise failed[0]
        yield world
    finally:
        for client in world.clients:
            client.close()
        if thread.is_alive():
            world.inside(world.end.set)
        thread.join(PATIENCE_S)
    if failed:
        raise failed[0]


def _put(one: Account, store: GatewayStore) -> None:
    if one.id == "local":
        store.accounts.put_local(one)
    else:
        store.accounts.add(one)
