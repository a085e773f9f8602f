"""A node with two blocks that mines nothing, and a server for it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import trio

from esper.http.routes import Route
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.examples import ALICE, BLOCK, BLOCK_ID, PARENT_ID, TXID
from esper.rpc.method import Method, method_table
from esper.rpc.port import Answer, NodePort, answers
from esper.rpc.server import serve
from esper.rpc.settings import RpcSettings

SECRET = bytes(range(32))
TOKEN = SECRET.hex()


def settings(datadir: Path, **changes: Any) -> RpcSettings:
    """Settings of a server for tests, on any port."""
    return replace(RpcSettings(datadir, SECRET, port=0, wrong_token_delay_s=0.0), **changes)


class FakeNode(NodePort):
    """Answers the examples; counts what it was asked."""

    def __init__(self, *more: Answer) -> None:
        """``more`` are methods that the node's own table does not have."""
        self.blocks = [
            msgspec.structs.replace(
                BLOCK, height=0, hash=PARENT_ID, parent="00" * 64, transactions=[]
            ),
            BLOCK,
        ]
        self.asked: list[str] = []
        """Names of methods."""
        self.behave: Callable[[str], Any] | None = None
        """Called with each method's name; may raise, or give something to await."""
        self.waiting: list[str] = []
        others = (
            answers(m.TOKENIZE, self._tokenize),
            answers(m.GET_BLOCK, self._block),
            answers(m.GET_TRANSACTION, self._transaction),
            answers(m.SUBMIT_TRANSACTION, self._submit),
            answers(m.GET_ACCOUNT, self._account),
            answers(m.GENERATE, self._generate),
            *more,
        )
        apart = {m.DISCOVER.name, *(answer.method.name for answer in others)}
        examples = [
            answers(method, functools.partial(self._example, method))
            for method in m.METHODS.values()
            if method.name not in apart
        ]
        rows = [*m.METHODS.values(), *(answer.method for answer in more)]
        super().__init__(
            [*map(self._noted, others), *map(self._noted, examples)], method_table(rows)
        )

    def _noted(self, answer: Answer) -> Answer:
        async def noted(request: Any) -> Any:
            self.asked.append(answer.method.name)
            if self.behave is not None:
                found = self.behave(answer.method.name)
                if found is not None:
                    await found
            return await answer.function(request)

        return answers(answer.method, noted)

    async def _example(self, method: Method[Any, Any], _: s.Request) -> Any:
        return method.example.reply

    async def _tokenize(self, params: s.TokenizeParams) -> s.Tokens:
        if (params.text is None) == (params.messages is None):
            raise e.RpcError(e.INVALID_PARAMS, "give text or messages")
        return m.TOKENIZE.example.reply

    async def _block(self, params: s.BlockParams) -> s.BlockReply:
        for block in reversed(self.blocks):
            if params.height in (None, block.height) and params.hash in (None, block.hash):
                return block
        raise e.RpcError(e.NOT_FOUND, "no such block: the chain ends at height 1")

    async def _transaction(self, params: s.TransactionParams) -> s.TransactionReply:
        if params.txid != TXID:
            raise e.RpcError(e.NOT_FOUND, "no such transaction")
        return m.GET_TRANSACTION.example.reply

    async def _submit(self, params: s.SubmitParams) -> s.Submitted:
        self.waiting.append(params.hex)
        return s.Submitted(TXID)

    async def _account(self, params: s.AccountParams) -> s.AccountReply:
        if params.address != ALICE:
            raise e.RpcError(e.INVALID_PARAMS, "no such address")
        return m.GET_ACCOUNT.example.reply

    async def _generate(self, params: s.GenerateParams) -> s.Generated:
        return s.Generated([BLOCK_ID] * params.blocks)


@contextmanager
def served(node: NodePort, config: RpcSettings, others: Sequence[Route[Any]] = ()) -> Iterator[int]:
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
