"""The tree of the newest blocks of a store's chain, as a node finds it when it opens the store."""

from collections.abc import Iterator

from esper.consensus.context import ChainContext
from esper.consensus.context_record import decode_context
from esper.consensus.fork_choice import BlockTree, ProvenBlock
from esper.consensus.header_chain import HeaderChain
from esper.primitives.ids import NO_BLOCK, BlockId
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore


def stored_tree(
    store: ChainStore, params: NetworkParameters, secret: bytes, orders: Iterator[int]
) -> tuple[BlockTree, dict[BlockId, ChainContext]]:
    """The tree, and the chain up to each of its blocks.

    ``secret`` decides between equal tips, ``orders`` counts blocks as they come.
    """
    tip, depth = store.tip.height, params.limits.undo_depth
    root = _lowest_kept(store, tip, depth)
    below = _stored_context(store, params, root)
    first = ProvenBlock(below.tip_id, NO_BLOCK, below.tip_work_id, 1, 0, 0)
    tree = BlockTree(first, height=root, total=below.weight, undo_depth=depth, secret=secret)
    contexts = {below.tip_id: below}
    for height in range(root + 1, tip + 1):
        context = _stored_context(store, params, height)
        contexts[context.tip_id] = context
        tree.add(proven(below, context, next(orders), 0))
        below = context
    return tree, contexts


def proven(parent: HeaderChain, chain: HeaderChain, order: int, received_ms: int) -> ProvenBlock:
    """The last block of a branch, as the tree knows it."""
    return ProvenBlock(
        block_id=chain.tip_id,
        parent_id=parent.tip_id,
        work_id=chain.tip_work_id,
        weight=chain.weight - parent.weight,
        order=order,
        received_ms=received_ms,
    )


def _lowest_kept(store: ChainStore, tip: int, depth: int) -> int:
    """The lowest height, at most ``depth`` below the tip, from which on contexts are kept.

    A change of chain that a crash interrupted leaves a tip below the one that they were kept
    for, so that they may not reach the whole depth.
    """
    lowest = tip
    while lowest > max(0, tip - depth) and (
        lowest == 1 or store.index.context(lowest - 1) is not None
    ):
        lowest -= 1
    return lowest


def _stored_context(store: ChainStore, params: NetworkParameters, height: int) -> ChainContext:
    if height == 0:
        return ChainContext.genesis(params)
    found = store.index.context(height)
    if found is None:
        raise store.index.corrupt(f"the context of block {height} is missing")
    return decode_context(found, params)
