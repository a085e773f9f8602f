"""The table of methods. Dispatch, the OpenRPC document and the written reference come from it."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from esper.rpc import schema as s

DISCOVER: Final = "rpc.discover"
"""Answered by the server itself."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method."""

    name: str
    """As clients call it."""
    params: type[s.Request]
    """What it takes."""
    result: Any
    """Type of what it answers."""
    needs_token: bool
    """Whether it spends or steers."""
    description: str
    """One line."""
    port_method: str
    """The method of ``NodePort`` that answers; empty for ``rpc.discover``."""
    mines: bool = False
    """Whether it may take as long as blocks take."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the parameters, in the order in which an array gives them."""
        return tuple(part.name for part in msgspec.structs.fields(self.params))


def _reads(name: str, params: type[s.Request], result: Any, port: str, about: str) -> Method:
    return Method(name, params, result, False, about, port)


def _steers(
    name: str, params: type[s.Request], result: Any, port: str, about: str, mines: bool = False
) -> Method:
    return Method(name, params, result, True, about, port, mines)


METHODS: Final = MappingProxyType(
    {
        method.name: method
        for method in (
            _reads("get_status", s.NoParams, s.Status, "status", "What the node says of itself."),
            _reads(
                "get_parameters", s.NoParams, s.Parameters, "parameters", "The network's rules."
            ),
            _reads("list_models", s.NoParams, list[s.Model], "models", "Active models by tier."),
            _reads("tokenize", s.TokenizeParams, s.Tokens, "tokenize", "Text to token ids."),
            _reads(
                "detokenize", s.DetokenizeParams, s.TextReply, "detokenize", "Token ids to text."
            ),
            _reads(
                "get_block",
                s.BlockParams,
                s.BlockReply,
                "block",
                "A block by height or hash; the tip without either.",
            ),
            _reads(
                "get_transaction",
                s.TransactionParams,
                s.TransactionReply,
                "transaction",
                "A transaction, waiting or in the chain.",
            ),
            _steers(
                "submit_transaction",
                s.SubmitParams,
                s.Submitted,
                "submit",
                "Take a signed transaction into the mempool.",
            ),
            _reads(
                "get_account", s.AccountParams, s.AccountReply, "account", "What an address holds."
            ),
            _reads(
                "get_history",
                s.HistoryParams,
                s.History,
                "history",
                "What happened to an address, the newest first.",
            ),
            _reads(
                "estimate_call",
                s.EstimateParams,
                s.Estimate,
                "estimate_call",
                "What a call would cost and how long it would wait.",
            ),
            _reads("get_call", s.TransactionParams, s.CallReply, "call", "A call and its answer."),
            _reads("get_mempool", s.NoParams, s.MempoolReply, "mempool", "What waits."),
            _reads("get_mining", s.NoParams, s.Mining, "mining", "How mining goes."),
            _steers(
                "pause_mining",
                s.NoParams,
                s.Done,
                "pause_mining",
                "Stop searching; a proof that runs is finished.",
            ),
            _steers("resume_mining", s.NoParams, s.Done, "resume_mining", "Go on searching."),
            _steers(
                "set_threads",
                s.ThreadsParams,
                s.Done,
                "set_threads",
                "Cap the threads of search and proofs.",
            ),
            _steers(
                "generate",
                s.GenerateParams,
                s.Generated,
                "generate",
                "Mine blocks now; regtest alone.",
                mines=True,
            ),
            _steers("stop", s.NoParams, s.Done, "stop", "Shut the node down."),
            _reads(DISCOVER, s.NoParams, dict[str, Any], "", "This interface as OpenRPC."),
        )
    }
)
"""Every method by its name."""
