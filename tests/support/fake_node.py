"""A node with two blocks that mines nothing, and a server for it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from esper.http.routes import Route
from esper.rpc import errors as e
from esper.rpc import schema as s
from esper.rpc.examples import ALICE, BLOCK, EXAMPLES, PARENT, TXID
from esper.rpc.server import serve
from esper.rpc.settings import RpcSettings

T = TypeVar("T")
SECRET = bytes(range(32))
TOKEN = SECRET.hex()


def example(rpc_method: str, kind: type[T]) -> T:
    """What a method answers in its example."""
    result = EXAMPLES[rpc_method].result
    assert isinstance(result, kind)
    return result


def settings(datadir: Path, **changes: Any) -> RpcSettings:
    """Settings of a server for tests, on any port."""
    return replace(RpcSettings(datadir, SECRET, port=0, wrong_token_delay_s=0.0), **changes)


class FakeNode:
    """Answers the examples; counts what it was asked."""

    def __init__(self) -> None:
        block = example("get_block", s.BlockReply)
        genesis = msgspec.structs.replace(
            block, height=0, hash=PARENT, parent="00" * 64, transactions=[]
        )
        self.blocks = [genesis, block]
        self.asked: list[str] = []
        self.behave: Callable[[str], Any] | None = None
        """Called with each method's name; may raise, or give something to await."""
        self.waiting: list[str] = []

    async def _note(self, name: str) -> None:
        self.asked.append(name)
        if self.behave is not None:
            found = self.behave(name)
            if found is not None:
                await found

    async def _example(self, port_method: str, rpc_method: str, kind: type[T]) -> T:
        await self._note(port_method)
        return example(rpc_method, kind)

    async def status(self) -> s.Status:
        return await self._example("status", "get_status", s.Status)

    async def parameters(self) -> s.Parameters:
        return await self._example("parameters", "get_parameters", s.Parameters)

    async def models(self) -> list[s.Model]:
        return await self._example("models", "list_models", list)

    async def tokenize(self, params: s.TokenizeParams) -> s.Tokens:
        if (params.text is None) == (params.messages is None):
            raise e.RpcError(e.INVALID_PARAMS, "give text or messages")
        return await self._example("tokenize", "tokenize", s.Tokens)

    async def detokenize(self, params: s.DetokenizeParams) -> s.TextReply:
        return await self._example("detokenize", "detokenize", s.TextReply)

    async def block(self, params: s.BlockParams) -> s.BlockReply:
        await self._note("block")
        for block in reversed(self.blocks):
            if params.height in (None, block.height) and params.hash in (None, block.hash):
                return block
        raise e.RpcError(e.NOT_FOUND, "no such block: the chain ends at height 1")

    async def transaction(self, params: s.TransactionParams) -> s.TransactionReply:
        await self._note("transaction")
        if params.txid != TXID:
            raise e.RpcError(e.NOT_FOUND, "no such transaction")
        return example("get_transaction", s.TransactionReply)

    async def submit(self, params: s.SubmitParams) -> s.Submitted:
        await self._note("submit")
        self.waiting.append(params.hex)
        return s.Submitted(TXID)

    async def account(self, params: s.AccountParams) -> s.AccountReply:
        await self._note("account")
        if params.address != ALICE:
            raise e.RpcError(e.NOT_FOUND, "no such account")
        return example("get_account", s.AccountReply)

    async def history(self, params: s.HistoryParams) -> s.History:
        return await self._example("history", "get_history", s.History)

    async def estimate_call(self, params: s.EstimateParams) -> s.Estimate:
        return await self._example("estimate_call", "estimate_call", s.Estimate)

    async def call(self, params: s.TransactionParams) -> s.CallReply:
        return await self._example("call", "get_call", s.CallReply)

    async def mempool(self) -> s.MempoolReply:
        return await self._example("mempool", "get_mempool", s.MempoolReply)

    async def mining(self) -> s.Mining:
        return await self._example("mining", "get_mining", s.Mining)

    async def pause_mining(self) -> s.Done:
        return await self._example("pause_mining", "pause_mining", s.Done)

    async def resume_mining(self) -> s.Done:
        return await self._example("resume_mining", "resume_mining", s.Done)

    async def set_threads(self, params: s.ThreadsParams) -> s.Done:
        return await self._example("set_threads", "set_threads", s.Done)

    async def generate(self, params: s.GenerateParams) -> s.Generated:
        await self._note("generate")
        return s.Generated([BLOCK] * params.blocks)

    async def stop(self) -> s.Done:
        return await self._example("stop", "stop", s.Done)


@contextmanager
def served(node: FakeNode, config: RpcSettings, others: Sequence[Route[Any]] = ()) -> Iterator[int]:
    """A server in a thread of its own; the port that it listens on."""
    started = threading.Event()
    state: dict[str, Any] = {}

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            try:
                serving = functools.partial(serve, node, config, others=others)
                state["port"] = await nursery.start(serving)
                state["stop"] = nursery.cancel_scope.cancel
                state["trio"] = trio.lowlevel.current_trio_token()
            finally:
                started.set()

    def run() -> None:
        try:
            trio.run(main)
        except BaseExceptionGroup as group:
            state["error"] = group.exceptions[0]

    thread = threading.Thread(target=run, name="server")
    thread.start()
    started.wait()
    try:
        if "port" in state:
            yield state["port"]
    finally:
        if "trio" in state:
            state["trio"].run_sync_soon(state["stop"])
        thread.join(30)
        assert not thread.is_alive(), "the server did not end"
        if "error" in state:
            raise state["error"]
