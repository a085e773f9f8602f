"""A change of the chain with what others want to know of its blocks, as an event of the node."""

from collections.abc import Iterator
from dataclasses import dataclass

from esper.node.chain.changes.arrival import Arrival, ReadBlock
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.events import Events, NodeEvent
from esper.primitives.ids import BlockId, Txid
from esper.vm.context import Answer
from esper.vm.llm_result import LlmResult


@dataclass(frozen=True, slots=True)
class SaidAnswer:
    """A call of a block and its answer."""

    call_id: Txid
    """64 bytes."""
    answer: Answer | None
    """Token ids; None if the call is left open for a later block."""
    result_id: Txid | None = None
    """64 bytes: txid of the LlmResult that brought the answer; None if it came with the call."""


@dataclass(frozen=True, slots=True)
class JoinedBlock:
    """A block that joined the chain."""

    block_id: BlockId
    """64 bytes."""
    read: "BlockFacts"
    """What is told of it."""
    txids: tuple[Txid, ...]
    """64 bytes each: of its transactions in order, without the coinbase."""
    said: tuple[SaidAnswer, ...]
    """Its calls and results, in order."""


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """Fields of a header that are told of its block."""

    height: int
    parent: BlockId
    time_ms: int
    payee: bytes
    model_id: bytes
    tier: int


@dataclass(frozen=True, slots=True)
class ChainChanged(NodeEvent):
    """The chain has another tip. Told before what that does to transactions that wait."""

    undone: tuple[tuple[BlockId, int], ...]
    """Ids and heights of blocks that left, the old tip first."""
    joined: tuple[JoinedBlock, ...]
    """Blocks that joined, the new tip last."""
    rerooted: bool = False
    """Whether the old tip is forgotten, and nobody can say what left."""


class ChainTeller:
    """Follows the chain, and publishes each change."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def prepare(self, change: ChainChange) -> Commit:
        """In the chain's thread: what is told of the change."""
        arrival = change.arrival
        told = ChainChanged(
            tuple(_undone(arrival, change.view.context.height)),
            tuple(joined(one, change.content(one)) for one in arrival.applied),
            arrival.rerooted,
        )
        return lambda: self._events.publish(told)


def joined(block_id: BlockId, block: ReadBlock) -> JoinedBlock:
    """What is told of a block."""
    pre, content = block.header.pre, block.content
    said: list[SaidAnswer] = []
    answers = iter(content.answers)
    for one in content.transactions:
        if one.payload.TAKES_ANSWER:
            said.append(SaidAnswer(one.txid, next(answers)))
        elif isinstance(one.payload, LlmResult):
            said.append(SaidAnswer(one.payload.call_id, one.payload.answer, one.txid))
    return JoinedBlock(
        block_id,
        BlockFacts(pre.height, pre.parent, pre.time_ms, pre.payee, pre.model_id, pre.tier),
        tuple(one.txid for one in content.transactions),
        tuple(said),
    )


def _undone(arrival: Arrival, height: int) -> Iterator[tuple[BlockId, int]]:
    old_tip = height - len(arrival.applied) + len(arrival.undone)
    for depth, block_id in enumerate(arrival.undone):
        yield block_id, old_tip - depth
