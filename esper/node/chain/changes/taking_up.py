"""What an earlier run kept beside its chain comes back into the tree."""

from esper.consensus.chain import check_header
from esper.consensus.header_isolation import read_header
from esper.node.chain.changes.known_blocks import KnownBlocks
from esper.node.chain.changes.visits import Visitor
from esper.primitives.errors.rule_violation import RuleViolation
from esper.storage.errors import StorageError


def take_up_side_blocks(known: KnownBlocks, visitor: Visitor, now_ms: int) -> None:
    """What was kept beside the chain had its work proven and its lists read before.

    ``visitor`` visits branches that go on beyond their horizon: that they were visited
    before is not kept.
    """
    waiting = []
    for block_id in known.branches.on_disk:
        if block_id in known.tree:
            known.branches.drop(block_id)
            continue
        data = known.branches.get(block_id)
        header = read_header(data.header, known.params.limits)
        waiting.append((header.pre.height, block_id, header))
    for _, block_id, header in sorted(waiting, key=lambda item: item[:2]):
        # Its time had come before it was kept, whatever the clock says since.
        not_before = header.pre.time_ms
        try:
            parent = known.check_may_come(header)
            check_header(header, parent, now_ms=max(now_ms, not_before))
        except RuleViolation:
            # Its parent was forgotten, or was invalid itself.
            known.branches.drop(block_id)
            continue
        known.join(parent, parent.extended_by_header(header), now_ms)
        try:
            visitor.visit_here(block_id)
        except StorageError:
            # What the machine refuses is no reason not to open: it is looked at again once a peer
            # has more of it.
            continue
