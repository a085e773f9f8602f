"""Tasks of the gateway that must not end the node: what a chain or a receipt cannot be read."""

from __future__ import annotations

from typing import Any

import trio
import trio.testing

from esper.gateway.proving_rows import Conditions
from esper.gateway.store.line import KeptLine
from esper.node.gateway.proving.proving_driver import ProvingDriver
from esper.node.gateway.receipts.receipt_maker import PromisedReceipts
from esper.node.gateway.standing import Standing
from esper.receipts.form import MAX_BYTES
from esper.storage.errors import StorageError


class _Pruned:
    """A chain, and its moment, of which the first reading of a block fails."""

    def __init__(self) -> None:
        self.height = 1
        self.asked = 0

    def now(self) -> Any:
        return self

    def block_id(self, height: int) -> bytes:
        return bytes([height]) * 64

    async def block(self, height: int, open_calls: object) -> Any:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        raise StorageError("the block is pruned")

    def conditions(self) -> Conditions:
        raise AssertionError("no look before the chain was followed")


class _Line:
    async def load(self) -> KeptLine:
        return KeptLine([], 0, "", [(0, bytes(64))])


def test_a_block_that_cannot_be_read_ends_no_node() -> None:
    chain, standing = _Pruned(), Standing()
    ports: Any = (chain, _Line(), None, standing, lambda step: None)

    async def main() -> None:
        driver = ProvingDriver(*ports, forget=10)
        await driver.load()
        with trio.move_on_after(60):
            await driver.run()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert chain.asked > 2
    assert any("pruned" in one for one in standing.warnings)


def test_a_receipt_that_is_too_large_ends_no_node() -> None:
    nothing: Any = None
    maker = PromisedReceipts(nothing)
    assert maker.read(b"x" * (MAX_BYTES + 1)) is None
