"""What tests ask of a node's receipts, and what they are judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

from esper.primitives.ids import Txid
from esper.primitives.params import NetworkParameters
from esper.receipts.ports import Surroundings
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from tests.support.node.node_world import NodeWorld
from tests.support.node.rpc_asking import refusal
from tests.support.receipt_world import FakeJudge


async def receipt_of(
    world: NodeWorld, txid: Txid, *, work: bool | None = None, anchor: bool | None = None
) -> s.ReceiptReply:
    return await world.ask(m.GET_RECEIPT, s.ReceiptParams(txid.hex(), work, anchor))


async def refused(
    world: NodeWorld, txid: Txid, *, work: bool | None = None, anchor: bool | None = None
) -> e.RpcError:
    error = await refusal(receipt_of(world, txid, work=work, anchor=anchor))
    assert error.code == e.NOT_FOUND
    return error


class SpelledWords:
    """Text that spells token ids, as the world's node writes it."""

    def __init__(self, identity: bytes) -> None:
        self.identity = identity

    def run(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))

    def answer(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        return " ".join(map(str, answer))

    def encode(self, text: str) -> Sequence[int] | None:
        return [int(word) for word in text.split()]


@dataclass(frozen=True)
class TheNodes:
    """The chain of a node."""

    world: NodeWorld
    whose: str = "the node"

    def block_id(self, height: int) -> bytes | None:
        store = self.world.node.chain.view.store
        return store.index.entry(height).block_id if height <= store.tip.height else None


def around(world: NodeWorld, params: NetworkParameters | None = None) -> Surroundings:
    """What a judge has who believes the node."""
    known = params or world.params
    return Surroundings(
        networks={known.name: (known, world.genesis)},
        judge=FakeJudge(known.model),
        tokenizers=[SpelledWords(known.model.tokenizer_id)],
        chain=TheNodes(world),
    )
