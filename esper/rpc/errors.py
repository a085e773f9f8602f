"""Errors of JSON-RPC: numbers for programs, sentences for people."""

from types import MappingProxyType
from typing import Any, Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

UNAUTHORIZED: Final = -32001
"""The method spends or steers and the request carries no token, or the request comes from another
machine without one, or its token is not taken."""
NOT_FOUND: Final = -32002
"""No such block, transaction, model, account or peer."""
REFUSED: Final = -32003
"""A transaction that breaks a rule: ``data.rule`` names it, ``data.retry`` says whether to wait."""
MEMPOOL_FULL: Final = -32004
"""No room at that fee; ``data.minimum_fee_per_byte`` says what would do."""
NOT_MINING: Final = -32005
"""The method needs a mining node, or regtest."""
TIMEOUT: Final = -32006
"""The node took too long."""
LIMITED: Final = -32007
"""A limit of the server: batch, body, or too many requests at once."""
PAUSED: Final = -32008
"""Blocks were asked for while mining is paused; ``data.hashes`` are those mined before."""
NO_NETWORK: Final = -32009
"""The node has no network to ask."""
UNREACHED: Final = -32010
"""A peer did not answer, or did not stay."""
SPARED: Final = -32011
"""A peer of the setting ``connect``, which is never kept away."""


ERRORS: Final = MappingProxyType(
    {
        UNAUTHORIZED: ("UNAUTHORIZED", "a token is needed, or the one given is not taken"),
        NOT_FOUND: ("NOT_FOUND", "no such block, transaction, model, account or peer"),
        REFUSED: ("REFUSED", "the transaction breaks a rule: data.rule, data.retry"),
        MEMPOOL_FULL: ("MEMPOOL_FULL", "no room at that fee: data.minimum_fee_per_byte"),
        NOT_MINING: ("NOT_MINING", "the method needs a mining node, or regtest"),
        TIMEOUT: ("TIMEOUT", "the node took too long"),
        LIMITED: ("LIMITED", "a limit of the server: batch, body, answer or requests at once"),
        PAUSED: ("PAUSED", "mining is paused, resume_mining helps: data.hashes"),
        NO_NETWORK: ("NO_NETWORK", "the node has no network to ask"),
        UNREACHED: ("UNREACHED", "the peer did not answer, or did not stay"),
        SPARED: ("SPARED", "a configured peer, which is never kept away"),
        PARSE_ERROR: ("PARSE_ERROR", "the body is no JSON, or JSON of two meanings"),
        INVALID_REQUEST: ("INVALID_REQUEST", "the form of a request is wrong"),
        METHOD_NOT_FOUND: ("METHOD_NOT_FOUND", "no such method"),
        INVALID_PARAMS: ("INVALID_PARAMS", "parameters are wrong: data.field"),
        INTERNAL_ERROR: (
            "INTERNAL_ERROR",
            "the node failed: data.incident, which its log explains",
        ),
    }
)
"""Name and meaning of every error, by its number, in the order of the page."""


class RpcError(Exception):
    """An error that a client is told."""

    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        """One of the numbers above."""
        self.message = message
        """A sentence that names what is wrong and what to do."""
        self.data = data
        """Details for programs."""
