"""Taking a chain back to a block whose way down has no undo records: it is executed again.

A running node that is to follow a branch from far below takes its blocks off by their undo records.
Where those are missing, it writes down the block, and the next start does this: the journal says
that all above it left, and the index is built anew from what is left of it, without a proof being
asked for. Killed on the way, the next start goes on.
"""

import logging
from dataclasses import replace
from typing import Final

from esper.node.chain.milestones import MilestoneFile
from esper.node.chain.opening import rebuild_index, store_options
from esper.node.chain.store_state import genesis_of, replay_of
from esper.node.datadir import DataDirectory
from esper.primitives.ids import BlockId
from esper.saying import say
from esper.storage.chain_store import ChainStore
from esper.storage.errors import RewindLimitError
from esper.storage.store_options import RESERVE_BYTES
from esper.storage.taking_off import take_off

LOG: Final = logging.getLogger("esper.chain")


def go_back_if_asked(directory: DataDirectory, reserve_bytes: int = RESERVE_BYTES) -> None:
    """What an earlier run left to this start, if anything. Raises StorageError."""
    file = MilestoneFile(directory.path)
    milestones = file.load()
    if milestones.back_to is None:
        return
    say(
        LOG,
        "going_back",
        "going back to block {short}: executing from the genesis on",
        short=milestones.back_to.hex()[:16],
        block=milestones.back_to.hex(),
    )
    go_back(directory, milestones.back_to, reserve_bytes)
    file.save(replace(milestones, back_to=None))


def go_back(
    directory: DataDirectory, block_id: BlockId, reserve_bytes: int = RESERVE_BYTES
) -> None:
    """Make a block the tip if it is on the chain. Raises StorageError."""
    try:
        store = _opened(directory, reserve_bytes)
    except RewindLimitError:
        # The journal says already of some of them that they left.
        rebuild_index(directory, accept_loss=False, reserve_bytes=reserve_bytes)
        store = _opened(directory, reserve_bytes)
    with store:
        index = store.index
        genesis = block_id == index.genesis.block_id
        height = 0 if genesis else index.height_of(block_id)
        if height is None or height == store.tip.height:
            return
        gone = [index.entry(above).block_id for above in range(store.tip.height, height, -1)]
    take_off(directory.path, gone)
    rebuild_index(directory, accept_loss=False, reserve_bytes=reserve_bytes)
    with _opened(directory, reserve_bytes) as store:
        # Two branches part there: whichever is followed first, the way to the other stays open.
        store.keep_undo_from(height)


def _opened(directory: DataDirectory, reserve_bytes: int) -> ChainStore:
    params = directory.params
    options = store_options(params, reserve_bytes)
    return ChainStore(directory.path, genesis_of(params), replay_of(params), options)
