"""The terms that a package is judged by: those in force, where a node says them, or genesis'.

Votes move parameters and tiers: what a network began with may refuse what it takes today.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from esper.cli.esper.session import Session
from esper.primitives.networks import NETWORKS
from esper.rpc.client import NodeUnreachableError
from esper.rpc.methods import DAO_SETTINGS, GET_STATUS
from esper.rpc.schema import NoParams
from esper.wallet.errors import MisuseError

if TYPE_CHECKING:
    from esper.dao.registry import TierRegistry
    from esper.primitives.params import NetworkParameters
    from esper.rpc.schema import Status

DEFAULT_NETWORK: Final = "mainnet"


@dataclass(frozen=True, slots=True)
class Terms:
    """Parameters and tiers, and where they come from."""

    params: NetworkParameters
    tiers: TierRegistry
    height: int | None
    """The node's tip; None for what the network began with."""
    words: str
    """Which terms these are, in a phrase."""

    def described(self) -> dict[str, Any]:
        """For programs."""
        return {
            "network": self.params.name,
            "in_force": self.height is not None,
            "height": self.height,
            "words": self.words,
        }


def terms_of(s: Session, network: str | None) -> Terms:
    """What a package is judged by.

    A node that answers says it, if it is of ``network``, one of NETWORKS, or of any that this
    program knows where that is None. Otherwise it is what ``network`` began with, or mainnet.

    Raises NodeContradictionError, and the client's errors but for a node that is not there.
    """
    try:
        status: Status = s.any_node.call(GET_STATUS, NoParams())
    except NodeUnreachableError as error:
        return _genesis(network, f"no node answers at {error.url}")
    except MisuseError as error:
        # Whoever has no home can look at a folder all the same.
        return _genesis(network, str(error))
    known = _network_of(status)
    if known is None:
        return _genesis(network, f"the node is on a network of its own, {status.network!r}")
    if network not in (None, known.name):
        return _genesis(network, f"the node is on {known.name}")
    return _in_force(s, known)


def _in_force(s: Session, genesis: NetworkParameters) -> Terms:
    from esper.wallet.rules_in_force import rules_told
    from esper.wallet.tiers_in_force import tiers_told

    told = s.any_node.call(DAO_SETTINGS, NoParams())
    words = f"what is in force on {genesis.name} at height {told.as_of.height}, as the node says"
    if not told.as_of.synced:
        words += ", which is not synced: it may be old"
    return Terms(rules_told(told, genesis), tiers_told(told), told.as_of.height, words)


def _genesis(network: str | None, why: str) -> Terms:
    from esper.consensus.registry import genesis_registry

    params = NETWORKS[network or DEFAULT_NETWORK]
    words = f"what {params.name} began with, votes may have moved it: {why}"
    return Terms(params, genesis_registry(params), None, words)


def _network_of(status: Status) -> NetworkParameters | None:
    from esper.consensus.genesis import genesis_hash

    params = NETWORKS.get(status.network)
    same = params is not None and genesis_hash(params).hex() == status.genesis_hash
    return params if same else None
