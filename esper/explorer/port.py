"""What pages read: answers of the node's methods, as values, and of those that only look."""

from typing import Any, Final, Protocol

from esper.rpc import methods as m
from esper.rpc.method import Method, ReplyT, RequestT


class Asked(Protocol):
    """Whoever answers methods, such as a ``NodePort``."""

    async def call(self, method: Method[RequestT, ReplyT], request: RequestT) -> ReplyT:
        """The answer. Raises RpcError."""
        ...


READ: Final[frozenset[str]] = frozenset(
    method.name
    for method in (
        m.DAO_LIST,
        m.DAO_READINESS,
        m.DAO_REPORTS,
        m.DAO_ROUNDS,
        m.DAO_SETS,
        m.DAO_SETTINGS,
        m.GET_ACCOUNT,
        m.GET_BLOCK,
        m.GET_BLOCKS,
        m.GET_CALL,
        m.GET_HISTORY,
        m.GET_MEMPOOL,
        m.GET_MINERS,
        m.GET_NETWORK,
        m.GET_PEERS,
        m.GET_PENDING,
        m.GET_STATISTICS,
        m.GET_STATUS,
        m.GET_TRANSACTION,
        m.LIST_MODELS,
    )
)
"""Names of the methods that pages may ask."""


class UnreadMethodError(Exception):
    """A page asked for a method that is not among those that it may: it was written wrongly."""


class ChainReader:
    """Asks a node for what pages show, and for nothing else."""

    def __init__(self, node: Asked) -> None:
        self._node = node

    async def ask(self, method: Method[RequestT, ReplyT], **params: Any) -> ReplyT:
        """The answer to parameters as a stranger gave them: judged as those of the RPC.

        Raises RpcError, and UnreadMethodError.
        """
        if method.name not in READ:
            raise UnreadMethodError(method.name)
        return await self._node.call(method, method.read(params))
