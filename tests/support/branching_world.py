"""A chain of DAO blocks that can be left for another branch, whose blocks make other beacons."""

from dataclasses import dataclass, field
from typing import Any

from esper.consensus.execution import ParentWork
from esper.crypto.signing import KeyPair
from esper.dao.registry import TierRegistry
from esper.dao.schedule import Scheduled
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import Txid
from esper.vm.payload import Payload
from tests.support.dao_world import DaoWorld
from tests.support.vm_world import taken_back

TAG = make_tag("esper/test/branch/v1")


@dataclass
class BranchingWorld(DaoWorld):
    """A ``DaoWorld`` whose last blocks can be taken back, one by one, as a node does it."""

    branch: int = 0
    """Name of the branch that the next blocks are of: beacons depend on it."""
    worked: dict[int, bytes] = field(default_factory=dict)
    """By height what a block's work gave, of blocks on the chain."""
    known: dict[int, tuple[TierRegistry, tuple[Scheduled, ...]]] = field(default_factory=dict)
    """By height what headers know behind it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._note()

    def _parent(self) -> ParentWork:
        return ParentWork(self.worked[self.height], bytes(64), 0, 0)

    def _note(self) -> None:
        name = self.branch.to_bytes(8, "big") + self.height.to_bytes(8, "big")
        self.worked[self.height] = tagged_hash(TAG, name)
        self.known[self.height] = (self.registry, self.schedule)

    def block(self, *sent: tuple[KeyPair, Payload], **how: Any) -> list[Txid]:
        txids = super().block(*sent, **how)
        self._note()
        return txids

    def leave(self, height: int, branch: int) -> None:
        """Take back all blocks above ``height``; those that follow are of ``branch``."""
        while self.height > height:
            before, execution = self.trail.pop()
            self.state = self.state.with_changes(taken_back(execution.changes))
            self.height -= 1
            assert self.state.root == before.root
        # The block at this height stays, and what its work gave.
        self.registry, self.schedule = self.known[height]
        self.branch = branch
