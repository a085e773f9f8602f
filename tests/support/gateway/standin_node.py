"""Signer, proving line and chain of a node, as a gateway sees them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import trio

from esper.gateway.ports import CallState, Given, Promised, Serving, Signed
from esper.gateway.proving_rows import Row
from esper.gateway.reduction import reduction_bytes

ADDRESS = "esperr1gateway"


@dataclass
class StandinSigner:
    """``SignerPort``: a promise is what was signed, as JSON."""

    address: str = ADDRESS
    height: int = 7
    given: list[Given] = field(default_factory=list)
    fails: bool = False

    async def sign(self, given: Given) -> Signed:
        await trio.lowlevel.checkpoint()
        if self.fails:
            raise OSError(f"no key for {given.asked.input!r}")
        self.given.append(given)
        receipt = {
            "format": "esper-receipt",
            "version": 1,
            "kind": "promise",
            "request": json.loads(reduction_bytes(given.asked)),
            "model": given.model_id.hex(),
            "prompt": len(given.prompt),
            "answer": list(given.answer),
            "work": {"outputs": "x"},
        }
        return Signed(json.dumps(receipt, separators=(",", ":")).encode(), self.height)

    def promised(self, receipt: bytes) -> Promised:
        found = json.loads(receipt)
        return Promised(bytes.fromhex(found["model"]), found["prompt"], tuple(found["answer"]))


@dataclass
class StandinProving:
    """``ProvingPort``: states are set by tests."""

    backlog: int = 0
    rows: list[Row] = field(default_factory=list)
    states: dict[str, CallState] = field(default_factory=dict)
    _changed: trio.Event = field(default_factory=trio.Event)

    def backlog_blocks(self) -> int:
        return self.backlog

    def enqueued(self, row: Row) -> None:
        self.rows.append(row)
        self.put(row.call, CallState("queued"))

    def put(self, call: str, state: CallState) -> None:
        self.states[call] = state
        self._changed.set()
        self._changed = trio.Event()

    def state(self, call: str) -> CallState | None:
        return self.states.get(call)

    async def state_after(self, call: str, known: CallState | None) -> CallState | None:
        while self.states.get(call) == known:
            await self._changed.wait()
        return self.states.get(call)


@dataclass
class StandinChain:
    """``ChainPort``."""

    now: Serving = Serving.READY

    def serving(self) -> Serving:
        return self.now

    def why_not_ready(self) -> str:
        return "no peer is connected: name one"

    def bond(self) -> int:
        return 0
