"""Compact blocks: making one for a peer, and filling one from what is here.

    sender                                receiver
    coinbase, results of lanes: filled    by prefix from mempool and recent blocks
    64 KiB that it was not told: filled   what is missing: asked for by place
    the others: prefixes                  two candidates: the whole body once

A prefix is not bound to the block: what it finds is right when the header's root says so, which is
looked at together with the lists, after the work. The network page, sections 4 and 6.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from esper.consensus.block import (
    KIND_COINBASE,
    Body,
    calls_root,
    decode_body,
    result_root,
)
from esper.consensus.chain import BlockBytes
from esper.consensus.header import Header
from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import COMPACT_EXTRA_BYTES, FILLED_BYTES, PREFIX_BYTES
from esper.p2p.wire.bulk_messages import Compact, Filled
from esper.primitives.codec import CodecError, encode
from esper.primitives.hashing import tagged_hashes
from esper.primitives.ids import BlockId
from esper.primitives.work_outputs import WORK_OUTPUTS
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import TAG_WTXID, transaction_kind

_BROUGHT_ALONG: Final = frozenset({KIND_COINBASE, LlmResult.KIND})
"""Kinds that nobody relays alone, so no receiver has them."""


def prefixes_of(transactions: Sequence[bytes]) -> tuple[bytes, ...]:
    """The first 16 bytes of the wtxid of each."""
    return tuple(wtxid[:PREFIX_BYTES] for wtxid in tagged_hashes(TAG_WTXID, transactions))


@dataclass(frozen=True, slots=True, eq=False)
class BlockParts:
    """A proven block as it is relayed."""

    block_id: BlockId
    """64 bytes."""
    header: bytes
    """Canonical header."""
    outputs: bytes
    """Work outputs: the very encoding under outputs_hash."""
    transactions: tuple[bytes, ...]
    """All, the coinbase last."""
    prefixes: tuple[bytes, ...]
    """Of each transaction."""
    results: tuple[bytes, ...]
    """As in the body."""
    groups: tuple[bytes, ...]
    """As in the body."""
    proof: bytes
    """Work proof."""
    brought: frozenset[int]
    """Places of the transactions that every compact block of it brings along."""

    @classmethod
    def of_lists(
        cls,
        block_id: BlockId,
        header: bytes,
        outputs: bytes,
        proof: bytes,
        lists: tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]],
    ) -> "BlockParts":
        """A proven block; ``lists`` are its transactions, results and groups."""
        transactions, results, groups = lists
        return cls(
            block_id=block_id,
            header=header,
            outputs=outputs,
            transactions=transactions,
            prefixes=prefixes_of(transactions),
            results=results,
            groups=groups,
            proof=proof,
            brought=frozenset(
                index
                for index, transaction in enumerate(transactions)
                if transaction_kind(transaction) in _BROUGHT_ALONG
            ),
        )

    @classmethod
    def of(cls, block_id: BlockId, header: bytes, body: Body, proof: bytes) -> "BlockParts":
        """A proven block whose body was read."""
        outputs = encode(WORK_OUTPUTS, body.outputs)
        lists = (body.transactions, body.results, body.call_groups)
        return cls.of_lists(block_id, header, outputs, proof, lists)

    @classmethod
    def of_bytes(cls, block_id: BlockId, data: BlockBytes) -> "BlockParts":
        """A proven block from its bytes."""
        return cls.of(block_id, data.header, decode_body(data.body, len(data.body)), data.proof)

    def compact(self, knows: Callable[[bytes], bool], number: int = 0) -> Compact:
        """The compact block for a peer; ``number`` is its request's, 0 for a push.

        ``knows`` says of a prefix whether the peer was told of its transaction, or told us.
        """
        room = FILLED_BYTES
        filled: list[Filled] = []
        shorts: list[bytes] = []
        for index, transaction in enumerate(self.transactions):
            prefix = self.prefixes[index]
            if index not in self.brought:
                if len(transaction) > room or knows(prefix):
                    shorts.append(prefix)
                    continue
                room -= len(transaction)
            filled.append(Filled(index, transaction))
        return Compact(
            number=number,
            header=self.header,
            outputs=self.outputs,
            results=self.results,
            groups=self.groups,
            shorts=tuple(shorts),
            filled=tuple(filled),
        )


def check_roots(results: Sequence[bytes], groups: Sequence[bytes], header: Header) -> None:
    """That results and call groups are the header's. Raises Fault (BYTES)."""
    if result_root(results) != header.pre.result_root:
        raise Fault(Offence.BYTES, "results that do not hash to the header's root")
    if calls_root(groups) != header.pre.calls_root:
        raise Fault(Offence.BYTES, "call groups that do not hash to the header's root")


def read_whole_body(data: bytes, limit: int, outputs: bytes, header: Header) -> Body:
    """A body that was asked for whole, its transactions not looked at yet.

    ``outputs`` are those whose work was proven. Raises Fault (BYTES) for another block's.
    """
    try:
        body = decode_body(data, limit)
    except CodecError as error:
        raise Fault(Offence.BYTES, f"a body that does not read back: {error}") from error
    if encode(WORK_OUTPUTS, body.outputs) != outputs:
        raise Fault(Offence.BYTES, "a body with other work outputs")
    check_roots(body.results, body.call_groups, header)
    return body


class Filling:
    """The transactions of a compact block, as far as they are here."""

    def __init__(
        self, compact: Compact, lookup: Callable[[bytes], Sequence[bytes]], body_limit: int
    ) -> None:
        """``lookup`` gives all different transactions of a prefix that are here.

        Raises Fault (SIZE) for more bytes than a body may have.
        """
        self._left = body_limit + COMPACT_EXTRA_BYTES - _size(compact)
        if self._left < 0:
            raise Fault(Offence.SIZE, f"a compact block {-self._left} bytes above the limit")
        self._transactions: list[bytes] = []
        self._missing: dict[int, bytes] = {}
        self.is_ambiguous = False
        """Whether a prefix named two transactions."""
        brought = {one.index: one.transaction for one in compact.filled}
        shorts = iter(compact.shorts)
        for index in range(compact.count):
            transaction = brought.get(index)
            if transaction is None:
                prefix = next(shorts)
                found = lookup(prefix)
                self.is_ambiguous |= len(found) > 1
                if not found:
                    self._missing[index] = prefix
                transaction = found[0] if found else b""
            self._transactions.append(transaction)

    @property
    def missing(self) -> tuple[int, ...]:
        """Places of the transactions that are not here, ascending."""
        return tuple(self._missing)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing and each prefix named one transaction."""
        return not self._missing and not self.is_ambiguous

    @property
    def transactions(self) -> tuple[bytes, ...]:
        """All of them. Raises ValueError while some are missing."""
        if self._missing:
            raise ValueError(f"{len(self._missing)} transactions are missing")
        return tuple(self._transactions)

    def take(self, transactions: Sequence[bytes]) -> None:
        """Takes the missing ones, in the order of ``missing``.

        Raises Fault: BYTES for others than the prefixes name, SIZE for more bytes than the block's
        parts may have together.
        """
        if len(transactions) != len(self._missing):
            raise Fault(
                Offence.BYTES,
                f"{len(transactions)} transactions of a block, {len(self._missing)} were asked for",
            )
        self._left -= sum(map(len, transactions))
        if self._left < 0:
            raise Fault(Offence.SIZE, f"parts of a block {-self._left} bytes above the limit")
        if prefixes_of(transactions) != tuple(self._missing.values()):
            raise Fault(Offence.BYTES, "a transaction of a block that its prefix does not name")
        for index, transaction in zip(self._missing, transactions, strict=True):
            self._transactions[index] = transaction
        self._missing.clear()


def _size(compact: Compact) -> int:
    lists = sum(map(len, compact.results)) + sum(map(len, compact.groups))
    filled = sum(len(one.transaction) for one in compact.filled)
    shorts = PREFIX_BYTES * len(compact.shorts)
    return len(compact.header) + len(compact.outputs) + lists + filled + shorts
