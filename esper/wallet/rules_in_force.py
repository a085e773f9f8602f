"""The parameters that hold on a network whose votes have moved some: asked of a node, and bounded.

A node is believed within what votes can reach, a tenth to a hundred times what the network began
with. A fee is shown before it is signed and has a cap of its own, whatever the node says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from esper.dao.settings import SETTINGS, with_settings
from esper.rpc.methods import DAO_SETTINGS
from esper.rpc.schema import DaoSettings, NoParams
from esper.wallet.errors import NodeContradictionError

if TYPE_CHECKING:
    from esper.primitives.params import LimitParameters, NetworkParameters
    from esper.wallet.node_port import Node


def rules_in_force(node: Node, params: NetworkParameters) -> NetworkParameters:
    """The network's parameters as the next block has them.

    Raises NodeContradictionError for values that no vote could have led to, and the node's errors.
    """
    return rules_told(node.call(DAO_SETTINGS, NoParams()), params)


def rules_told(told: DaoSettings, params: NetworkParameters) -> NetworkParameters:
    """The same of an answer. Raises NodeContradictionError."""
    moved: list[tuple[int, int]] = []
    for one in told.settings:
        setting = SETTINGS.get(one.key)
        value = int(one.in_force)
        # A newer node may know more keys: this program has no use for them.
        if setting is None or value == setting.of(params):
            continue
        if not setting.takes(value, params):
            least, most = setting.bounds(params)
            raise NodeContradictionError(
                f"the node says that {setting.name} is {value}, votes lead to {least} to {most}: "
                "ask another node"
            )
        moved.append((one.key, value))
    return with_settings(params, moved)


def least_limits(params: NetworkParameters) -> LimitParameters:
    """The lowest fees that votes can lead to: what a machine without a node can hold against one.

    The node that is handed the transaction judges by those of its tip.
    """
    lowest = {
        setting.name: setting.bounds(params)[0]
        for setting in SETTINGS.values()
        if setting.group == "limits"
    }
    return replace(params.limits, **lowest)
