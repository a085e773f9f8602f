"""What a wallet asks of a node, and a node behind JSON-RPC."""

from typing import Protocol, TypeVar

from esper.primitives.params import NetworkParameters
from esper.rpc import schema as s
from esper.wallet.errors import OtherNetworkError

T = TypeVar("T")


class Caller(Protocol):
    """Something that calls a method of a server: the JSON-RPC client."""

    def call(self, method: str, params: s.Request, result_type: type[T]) -> T:
        """The method's answer. Raises the client's errors."""


class Node(Protocol):
    """A node as the wallet sees it.

    Nothing that it says can make a wallet sign for it: rules, fees and the genesis hash are the
    wallet's own.
    """

    def status(self) -> s.Status:
        """What the node says of itself."""

    def models(self) -> list[s.Model]:
        """The active models, by tier."""

    def block(self, params: s.BlockParams) -> s.BlockReply:
        """A block of the chain."""

    def transaction(self, params: s.TransactionParams) -> s.TransactionReply:
        """A transaction, waiting or in the chain."""

    def submit(self, params: s.SubmitParams) -> s.Submitted:
        """Hand in a signed transaction."""

    def account(self, params: s.AccountParams) -> s.AccountReply:
        """What an address holds."""

    def history(self, params: s.HistoryParams) -> s.History:
        """What happened to an address."""

    def estimate_call(self, params: s.EstimateParams) -> s.Estimate:
        """What a call would cost."""

    def call(self, params: s.TransactionParams) -> s.CallReply:
        """A call and its answer."""


class RpcNode:
    """A node behind a JSON-RPC client."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def status(self) -> s.Status:
        """See ``Node``."""
        return self._caller.call("get_status", s.NoParams(), s.Status)

    def models(self) -> list[s.Model]:
        """See ``Node``."""
        return self._caller.call("list_models", s.NoParams(), list[s.Model])

    def block(self, params: s.BlockParams) -> s.BlockReply:
        """See ``Node``."""
        return self._caller.call("get_block", params, s.BlockReply)

    def transaction(self, params: s.TransactionParams) -> s.TransactionReply:
        """See ``Node``."""
        return self._caller.call("get_transaction", params, s.TransactionReply)

    def submit(self, params: s.SubmitParams) -> s.Submitted:
        """See ``Node``."""
        return self._caller.call("submit_transaction", params, s.Submitted)

    def account(self, params: s.AccountParams) -> s.AccountReply:
        """See ``Node``."""
        return self._caller.call("get_account", params, s.AccountReply)

    def history(self, params: s.HistoryParams) -> s.History:
        """See ``Node``."""
        return self._caller.call("get_history", params, s.History)

    def estimate_call(self, params: s.EstimateParams) -> s.Estimate:
        """See ``Node``."""
        return self._caller.call("estimate_call", params, s.Estimate)

    def call(self, params: s.TransactionParams) -> s.CallReply:
        """See ``Node``."""
        return self._caller.call("get_call", params, s.CallReply)


def check_same_network(status: s.Status, params: NetworkParameters, genesis: bytes) -> None:
    """The node is on the wallet's network. Raises OtherNetworkError."""
    if status.genesis_hash != genesis.hex():
        raise OtherNetworkError(
            f"the node is on {status.network!r} with genesis {status.genesis_hash[:16]}…, the "
            f"wallet on {params.name} with {genesis.hex()[:16]}…: name another node with ESPER_RPC"
        )
