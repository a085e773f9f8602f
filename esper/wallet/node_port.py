"""What a wallet asks of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from esper.rpc.method import Method, ReplyT, RequestT
from esper.rpc.schema import Status
from esper.wallet.errors import OtherNetworkError

if TYPE_CHECKING:
    from esper.primitives.params import NetworkParameters


class Node(Protocol):
    """A node as the wallet sees it: a JSON-RPC client, or whatever answers the same.

    Each part of the wallet names the methods that it asks, from ``esper.rpc.methods``; none steers
    a node. Nothing that a node says can make a wallet sign for it: rules and the genesis hash are
    the wallet's own, and of fees it believes what votes can have led to: ``rules_in_force``.
    """

    def call(self, method: Method[RequestT, ReplyT], request: RequestT) -> ReplyT:
        """The node's answer. Raises the client's errors."""


def check_same_network(status: Status, params: NetworkParameters, genesis: bytes) -> None:
    """The node is on the wallet's network. Raises OtherNetworkError."""
    if status.genesis_hash != genesis.hex():
        raise OtherNetworkError(
            f"the node is on {status.network!r} with genesis {status.genesis_hash[:16]}…, the "
            f"wallet on {params.name} with {genesis.hex()[:16]}…: name another node with ESPER_RPC"
        )
