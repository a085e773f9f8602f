"""The tiers that a network has now, asked of a node: what a proposal is judged against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from esper.dao.entry_records import TIER
from esper.dao.registry import TierRegistry
from esper.primitives.codec import CodecError, decode
from esper.rpc.methods import DAO_SETTINGS
from esper.rpc.schema import DaoSettings, NoParams
from esper.wallet.errors import NodeContradictionError

if TYPE_CHECKING:
    from esper.wallet.node_port import Node

MOST_BYTES: Final = 16 << 10
"""Of a tier's record: two entries of 256 special ids each are below 4 KiB."""


def tiers_in_force(node: Node) -> TierRegistry:
    """The tiers as the next block has them.

    Raises NodeContradictionError for what no network has, and the node's errors.
    """
    return tiers_told(node.call(DAO_SETTINGS, NoParams()))


def tiers_told(told: DaoSettings) -> TierRegistry:
    """The same of an answer. Raises NodeContradictionError."""
    try:
        tiers = [
            decode(TIER, bytes.fromhex(one.record), limit=MOST_BYTES, what="tier")
            for one in told.tiers
        ]
        return TierRegistry(tuple(tiers))
    except (CodecError, ValueError) as error:
        raise NodeContradictionError(
            f"the node names tiers that no network has ({error}): ask another node"
        ) from error
