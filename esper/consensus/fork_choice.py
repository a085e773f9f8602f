"""The tree of proven blocks and which of its tips is the chain.

1. The greatest sum of weights wins. Only proven blocks are added, so nothing else has weight.
2. Among equals the first verified wins, but rivals received within 5 s of it draw lots: nobody
   gains by being nearer to most nodes. A draw is a hash of the node's own secret and the rival's
   work_id, so it does not depend on who else is there, and r, which a finder could wait for, plays
   no part.
3. Proofs of one work_id are siblings that anyone with the weights can make. They have one weight
   and one lot between them, and the first seen stands for all until a child names another. If the
   body of one is executed and fails, all of them have failed.

The tree begins at a root, which is never undone. It remembers twice the undo depth, so that a node
can tell a branch that it must not follow by itself from one that it does not know.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from esper.primitives.errors.chain_errors import (
    InvalidAncestorViolation,
    InvalidSiblingViolation,
    TooDeepReorganisation,
)
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import BlockId, WorkId

TAG_DRAW: Final = make_tag("esper/forkchoice/draw/v1")
RIVAL_MS: Final = 5_000
"""How far apart rivals may be received and still draw lots."""


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """What fork choice needs to know of a verified block. Raises ValueError if weightless."""

    block_id: BlockId
    """Its name."""
    parent_id: BlockId
    """The block that it builds on."""
    work_id: WorkId
    """The work that it proves; siblings share it."""
    weight: int
    """What it adds, at least 1: a block without weight would never be followed."""
    order: int
    """Its place in the order of verification, greater than that of all blocks added before."""
    received_ms: int
    """When its header arrived, by the node's clock."""

    def __post_init__(self) -> None:
        if self.weight < 1:
            raise ValueError(f"block weight {self.weight} must be positive")


@dataclass(frozen=True, slots=True)
class Path:
    """How to get from one tip to another."""

    undo: tuple[BlockId, ...]
    """Block ids to undo, the old tip first."""
    apply: tuple[BlockId, ...]
    """Block ids to apply, the new tip last."""


@dataclass(frozen=True, slots=True)
class _Node:
    block: ProvenBlock
    height: int
    total: int


class BlockTree:
    """Proven blocks since a root. Not a value: methods change it, and raise before they do."""

    __slots__ = ("_best", "_children", "_failed_works", "_invalid", "_last_order", "_nodes",
                 "_root", "_secret", "_undo_depth")  # fmt: skip

    def __init__(
        self, root: ProvenBlock, *, height: int, total: int, undo_depth: int, secret: bytes
    ) -> None:
        """``total`` is the chain's weight up to the root, which stands at ``height``.

        ``secret`` decides draws: drawn once by each node and told to nobody.
        """
        self._root = root.block_id
        self._nodes = {root.block_id: _Node(root, height, total)}
        self._children: dict[BlockId, list[BlockId]] = {root.block_id: []}
        self._invalid: set[BlockId] = set()
        # By work id the height: whatever proves the work, its body stays what it is.
        self._failed_works: dict[WorkId, int] = {}
        self._best = [root.block_id]
        self._last_order = root.order
        self._undo_depth = undo_depth
        self._secret = secret

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, block_id: BlockId) -> bool:
        return block_id in self._nodes

    @property
    def root(self) -> BlockId:
        """The oldest block that is remembered, an ancestor of all."""
        return self._root

    def height(self, block_id: BlockId) -> int:
        """Height of a block in the tree. Raises KeyError."""
        return self._nodes[block_id].height

    def parent(self, block_id: BlockId) -> BlockId:
        """The block below one in the tree. Raises KeyError."""
        return self._nodes[block_id].block.parent_id

    def total(self, block_id: BlockId) -> int:
        """Weight of the chain up to and with a block in the tree. Raises KeyError."""
        return self._nodes[block_id].total

    def is_invalid(self, block_id: BlockId) -> bool:
        """Whether a block was marked invalid or builds on one that was."""
        return block_id in self._invalid

    def check_may_join(self, block_id: BlockId, parent_id: BlockId, work_id: WorkId) -> None:
        """What the tree knows against a block before anything of it is looked at.

        Raises UnknownParentViolation, InvalidAncestorViolation (also for a block that is marked
        itself) and InvalidSiblingViolation.
        """
        if block_id in self._invalid or parent_id in self._invalid:
            raise InvalidAncestorViolation(block_id, parent_id)
        if parent_id not in self._nodes:
            raise UnknownParentViolation(parent_id)
        if work_id in self._failed_works and block_id not in self._nodes:
            raise InvalidSiblingViolation(block_id, work_id)

    def add(self, block: ProvenBlock) -> bool:
        """Add a verified block; False if it is known already, which changes nothing.

        Raises what ``check_may_join`` raises; ValueError if ``order`` does not grow or if a sibling
        of the same work has another weight, which the rules exclude.
        """
        if block.block_id in self._nodes:
            return False
        self.check_may_join(block.block_id, block.parent_id, block.work_id)
        parent = self._nodes[block.parent_id]
        if block.order <= self._last_order:
            raise ValueError(f"order {block.order} must exceed {self._last_order}")
        for sibling in self._children[block.parent_id]:
            known = self._nodes[sibling].block
            if known.work_id == block.work_id and known.weight != block.weight:
                raise ValueError(f"siblings of one work weigh {known.weight} and {block.weight}")
        self._last_order = block.order
        node = _Node(block, parent.height + 1, parent.total + block.weight)
        self._nodes[block.block_id] = node
        self._children[block.block_id] = []
        self._children[block.parent_id].append(block.block_id)
        self._consider(block.block_id)
        return True

    def forget(self, block_id: BlockId) -> tuple[BlockId, ...]:
        """Take out a block and all that builds on it, as if they had never come; their ids.

        Raises KeyError for an unknown block, ValueError for the root.
        """
        if block_id == self._root:
            raise ValueError(f"block {block_id.hex()[:16]} is the root")
        gone = tuple(self._subtree(block_id))
        self._children[self._nodes[block_id].block.parent_id].remove(block_id)
        for one in gone:
            del self._nodes[one], self._children[one]
            self._invalid.discard(one)
        self._choose_again()
        return gone

    def children(self, block_id: BlockId) -> tuple[BlockId, ...]:
        """What builds on a block, the first seen first. Raises KeyError for an unknown block."""
        return tuple(self._children[block_id])

    def best_tip(self) -> BlockId:
        """The block that the node should stand on."""
        tied = sorted((self._nodes[tip].block for tip in self._best), key=lambda b: b.order)
        first = tied[0]
        rivals = [block for block in tied if abs(block.received_ms - first.received_ms) <= RIVAL_MS]
        # Siblings of one work draw one lot: the first of equals is the first seen.
        drawn = min(rivals, key=lambda b: tagged_hash(TAG_DRAW, self._secret, b.work_id))
        return drawn.block_id

    def mark_invalid(self, block_id: BlockId) -> tuple[BlockId, ...]:
        """Never follow a block, another proof of its work, or what builds on any of them again.

        Returns who is marked, the block first. Only for a block whose failing bytes match the
        hashes in its header: the caller checks that. Raises KeyError for an unknown block,
        TooDeepReorganisation for the root.
        """
        if block_id == self._root:
            depth = self._nodes[self.best_tip()].height - self._nodes[block_id].height + 1
            raise TooDeepReorganisation(depth, self._undo_depth)
        failed = self._nodes[block_id]
        work_id = failed.block.work_id
        siblings = self._children[failed.block.parent_id]
        proofs = [block_id] + [
            one for one in siblings if one != block_id and self._nodes[one].block.work_id == work_id
        ]
        marked = tuple(found for proof in proofs for found in self._subtree(proof))
        self._invalid.update(marked)
        self._failed_works[work_id] = failed.height
        self._choose_again()
        return marked

    def path(self, old_tip: BlockId, new_tip: BlockId) -> Path:
        """What to undo and apply to get from one block to another.

        Raises KeyError for unknown blocks, TooDeepReorganisation if more than the undo depth is
        to be undone.
        """
        undo: list[BlockId] = []
        apply: list[BlockId] = []
        old, new = self._nodes[old_tip], self._nodes[new_tip]
        while old.block.block_id != new.block.block_id:
            if old.height >= new.height:
                undo.append(old.block.block_id)
                old = self._nodes[old.block.parent_id]
            else:
                apply.append(new.block.block_id)
                new = self._nodes[new.block.parent_id]
        if len(undo) > self._undo_depth:
            raise TooDeepReorganisation(len(undo), self._undo_depth)
        return Path(tuple(undo), tuple(reversed(apply)))

    def settle(self, tip: BlockId) -> None:
        """Forget what the node, now standing on ``tip``, cannot need again.

        The root moves to the tip's ancestor at twice the undo depth; branches that leave the chain
        below it go. Raises KeyError for an unknown tip, ValueError for an invalid one.
        """
        root = self._nodes[tip]
        if tip in self._invalid:
            raise ValueError(f"no node stands on the invalid block {tip.hex()[:16]}")
        lowest = max(root.height - 2 * self._undo_depth, self._nodes[self._root].height)
        while root.height > lowest:
            root = self._nodes[root.block.parent_id]
        self._root = root.block.block_id
        self._failed_works = {
            work: height for work, height in self._failed_works.items() if height > root.height
        }
        kept = set(self._subtree(self._root))
        if len(kept) == len(self._nodes):
            return
        for gone in self._nodes.keys() - kept:
            del self._nodes[gone], self._children[gone]
        self._invalid &= kept
        self._choose_again()

    def _subtree(self, block_id: BlockId) -> Iterator[BlockId]:
        waiting = [block_id]
        while waiting:
            found = waiting.pop()
            yield found
            waiting += self._children[found]

    def _consider(self, block_id: BlockId) -> None:
        total = self._nodes[block_id].total
        best = self._nodes[self._best[0]].total
        if total > best:
            self._best = [block_id]
        elif total == best:
            self._best.append(block_id)

    def _choose_again(self) -> None:
        self._best = [self._root]
        for block_id in self._nodes.keys() - self._invalid - {self._root}:
            self._consider(block_id)
