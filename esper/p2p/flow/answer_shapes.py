"""What may come for a request, in which order, and when it is whole: the network page, section 4.

A shape knows nothing of what an answer means; whether its bytes are true is for the machine that
asked.
"""

from typing import Final, Protocol

from esper.p2p.faults import Fault, Offence
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import Answer, PackageRequest, Request
from esper.primitives.hashing import HASH_BYTES

WHOLE_REST: Final = bytes(HASH_BYTES)
"""The block id of a refusal of all that is left."""


class Shape(Protocol):
    """What is still to come for one request."""

    @property
    def awaited(self) -> frozenset[int]:
        """Types of frames, one of which must come next."""

    def take(self, answer: Answer) -> bool:
        """Whether the request is whole with this answer. Raises Fault for what was not asked."""

    def skip(self, block_id: bytes) -> bool:
        """Whether it is whole when this block is refused. Raises Fault if it was not asked."""


def shape_of(request: Request) -> Shape:
    """What must come for a request."""
    match request:
        case talk.GetBlock():
            return _InOrder(((request.block_id, (bulk.Compact.TYPE, bulk.Proof.TYPE)),))
        case talk.GetBlocks():
            parts = tuple(
                kind
                for bit, kind in (
                    (talk.PART_BODY, bulk.BodyOf.TYPE),
                    (talk.PART_PROOF, bulk.Proof.TYPE),
                )
                if request.parts & bit
            )
            return _InOrder(tuple((block_id, parts) for block_id in request.block_ids))
        case talk.GetBlockTxs():
            return _BlockTxs(request)
        case talk.GetTxs():
            return _Txs(request)
        case talk.GetHeaders():
            return _Headers(request)
        case packages.GetDigests() | packages.GetHoldings() | packages.GetChunk():
            return _Package(request)


def _unasked(reason: str) -> Fault:
    return Fault(Offence.UNASKED, reason)


class _InOrder:
    """Block by block, part by part."""

    def __init__(self, blocks: tuple[tuple[bytes, tuple[int, ...]], ...]) -> None:
        self._blocks = blocks
        self._block = 0
        self._part = 0

    @property
    def awaited(self) -> frozenset[int]:
        return frozenset((self._blocks[self._block][1][self._part],))

    def take(self, answer: Answer) -> bool:
        block_id, parts = self._blocks[self._block]
        if parts[self._part] != answer.TYPE:
            raise _unasked(
                f"message of type {answer.TYPE} came where {parts[self._part]} was asked for"
            )
        # A compact block names itself by its header, which its reader hashes anyway.
        if isinstance(answer, (bulk.BodyOf, bulk.Proof)) and answer.block_id != block_id:
            raise _unasked("a part of another block than the next that was asked for")
        self._part += 1
        if self._part < len(parts):
            return False
        return self._next_block()

    def skip(self, block_id: bytes) -> bool:
        if block_id != self._blocks[self._block][0]:
            raise _unasked("a refusal of another block than the next that was asked for")
        return self._next_block()

    def _next_block(self) -> bool:
        self._block, self._part = self._block + 1, 0
        return self._block == len(self._blocks)


class _BlockTxs:
    """One message, one transaction for each index."""

    awaited = frozenset((bulk.BlockTxs.TYPE,))

    def __init__(self, request: talk.GetBlockTxs) -> None:
        self._request = request

    def take(self, answer: Answer) -> bool:
        if not isinstance(answer, bulk.BlockTxs):
            raise _unasked(f"message of type {answer.TYPE} came where block_txs was asked for")
        if answer.block_id != self._request.block_id:
            raise _unasked("transactions of another block than asked for")
        count, asked = len(answer.transactions), len(self._request.indices)
        if count != asked:
            raise Fault(Offence.SIZE, f"block_txs has {count} transactions, {asked} asked for")
        return True

    def skip(self, block_id: bytes) -> bool:
        if block_id != self._request.block_id:
            raise _unasked("a refusal of another block than asked for")
        return True


class _Txs:
    """One message, at most as many transactions as asked for."""

    awaited = frozenset((bulk.Txs.TYPE,))

    def __init__(self, request: talk.GetTxs) -> None:
        self._most = len(request.prefixes)

    def take(self, answer: Answer) -> bool:
        if not isinstance(answer, bulk.Txs):
            raise _unasked(f"message of type {answer.TYPE} came where txs was asked for")
        count = len(answer.transactions)
        if count > self._most:
            raise Fault(Offence.SIZE, f"txs has {count} transactions, {self._most} asked for")
        return True

    def skip(self, block_id: bytes) -> bool:
        raise _unasked("a refusal of a block where transactions were asked for")


class _Headers:
    """One message, at most as many headers as asked for, behind a block of the locator."""

    awaited = frozenset((bulk.Headers.TYPE,))

    def __init__(self, request: talk.GetHeaders) -> None:
        self._request = request

    def take(self, answer: Answer) -> bool:
        if not isinstance(answer, bulk.Headers):
            raise _unasked(f"message of type {answer.TYPE} came where headers was asked for")
        count = len(answer.headers)
        if count > self._request.most:
            raise Fault(Offence.SIZE, f"{count} headers, {self._request.most} asked for")
        if answer.fork not in self._request.locator:
            raise _unasked("headers behind a block that the locator does not name")
        return True

    def skip(self, block_id: bytes) -> bool:
        raise _unasked("a refusal of a block where headers were asked for")


class _Package:
    """One message about the package, the page or the chunk that was asked for."""

    def __init__(self, request: PackageRequest) -> None:
        self._request = request
        self.awaited = frozenset((_ANSWERS[type(request)],))

    def take(self, answer: Answer) -> bool:
        match self._request, answer:
            case packages.GetDigests() as asked, packages.Digests():
                fits = answer.page == asked.page
            case packages.GetHoldings(), packages.Holdings():
                fits = True
            case packages.GetChunk() as asked, packages.Chunk():
                fits = answer.index == asked.index
            case _:
                raise _unasked(
                    f"message of type {answer.TYPE} came where {min(self.awaited)} was asked for"
                )
        if not fits or answer.root != self._request.root:
            raise _unasked("a part of another package, or another part, than asked for")
        return True

    def skip(self, block_id: bytes) -> bool:
        if block_id != self._request.root:
            raise _unasked("a refusal of another package than asked for")
        return True


_ANSWERS: Final = {
    packages.GetDigests: packages.Digests.TYPE,
    packages.GetHoldings: packages.Holdings.TYPE,
    packages.GetChunk: packages.Chunk.TYPE,
}
