"""header: it is of the network, and the block's id is its hash."""

from esper.receipts.case import BrokenLinkError, Case
from esper.receipts.verdict import Status


def judge(case: Case) -> tuple[Status, str]:
    """The id alone covers the bytes of the VRF."""
    pre = case.header.pre
    if pre.genesis_hash != case.genesis_hash:
        raise BrokenLinkError(f"it is of network {pre.genesis_hash.hex()[:8]}")
    found = case.header.block_id
    if found != case.receipt.block_id:
        raise BrokenLinkError(f"its hash {found.hex()[:8]} is not the block's id")
    return Status.OK, f"height {pre.height}, {found.hex()[:8]}"
