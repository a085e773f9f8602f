"""The table of methods: one row each, from which all that knows a method by name comes.

``docs/contributing.md`` shows how a method is added.
"""

from typing import Any, Final

from esper.rpc import examples
from esper.rpc import schema as s
from esper.rpc.errors import (
    MEMPOOL_FULL,
    NO_NETWORK,
    NOT_FOUND,
    NOT_MINING,
    PAUSED,
    REFUSED,
    SPARED,
    UNREACHED,
)
from esper.rpc.method import Example, Method, MethodTable, method_table

NOTHING: Final = s.NoParams()

# --- the node ---------------------------------------------------------------------------------

GET_STATUS: Final = Method(
    "get_status",
    s.NoParams,
    s.Status,
    "What the node says of itself.",
    Example(NOTHING, examples.STATUS),
)
GET_PARAMETERS: Final = Method(
    "get_parameters",
    s.NoParams,
    s.Parameters,
    "The network's rules.",
    Example(NOTHING, examples.PARAMETERS),
)
LIST_MODELS: Final = Method(
    "list_models",
    s.NoParams,
    list[s.Model],
    "Active models by tier.",
    Example(NOTHING, [examples.MODEL]),
)
LIST_LOCAL_MODELS: Final = Method(
    "list_local_models",
    s.NoParams,
    s.LocalModels,
    "Models that may be mined, now or by what is confirmed, and which of them lie here and are "
    "loaded.",
    Example(NOTHING, s.LocalModels(1, [examples.LOCAL_MODEL])),
)

# --- tokens -----------------------------------------------------------------------------------

TOKENIZE: Final = Method(
    "tokenize",
    s.TokenizeParams,
    s.Tokens,
    "Text to token ids.",
    Example(s.TokenizeParams(text="Once upon a time"), examples.TOKENS),
    raises=(NOT_FOUND,),
)
DETOKENIZE: Final = Method(
    "detokenize",
    s.DetokenizeParams,
    s.TextReply,
    "Token ids to text.",
    Example(s.DetokenizeParams(tokens=[261, 378], prompt=[1, 403, 407]), s.TextReply(" a time")),
    raises=(NOT_FOUND,),
)

# --- blocks and transactions ------------------------------------------------------------------

GET_BLOCK: Final = Method(
    "get_block",
    s.BlockParams,
    s.BlockReply,
    "A block by height or hash, or by the first digits of its hash; the tip without either.",
    Example(s.BlockParams(height=1), examples.BLOCK),
    raises=(NOT_FOUND,),
)
GET_TRANSACTION: Final = Method(
    "get_transaction",
    s.TransactionParams,
    s.TransactionReply,
    "A transaction, waiting or in the chain, by its id or the first digits of it; of evidence, "
    "what it took.",
    Example(s.TransactionParams(examples.TXID), examples.TRANSACTION),
    raises=(NOT_FOUND,),
)
GET_BLOCKS: Final = Method(
    "get_blocks",
    s.BlocksParams,
    s.BlockRows,
    "Blocks in a line each, the newest first.",
    Example(s.BlocksParams(start=1, n=1), examples.BLOCKS),
)
GET_STATISTICS: Final = Method(
    "get_statistics",
    s.StatisticsParams,
    s.Statistics,
    "Times, targets, weight and tokens over a stretch of the chain, 512 points at most.",
    Example(s.StatisticsParams(start=1, end=1, step=1), examples.STATISTICS),
)
GET_MINERS: Final = Method(
    "get_miners",
    s.MinersParams,
    s.Miners,
    "Who was paid for the last blocks.",
    Example(s.MinersParams(window=144), examples.MINERS),
)
SUBMIT_TRANSACTION: Final = Method(
    "submit_transaction",
    s.SubmitParams,
    s.Submitted,
    "Take a signed transaction into the mempool; or, for the next own block, a Prove with its "
    "groups, or what this node rehearsed and its payee signed.",
    Example(s.SubmitParams("00ff", []), s.Submitted(examples.TXID)),
    raises=(REFUSED, MEMPOOL_FULL),
    needs_token=True,
)

# --- accounts ---------------------------------------------------------------------------------

GET_ACCOUNT: Final = Method(
    "get_account",
    s.AccountParams,
    s.AccountReply,
    "What an address holds.",
    Example(s.AccountParams(examples.ALICE), examples.ACCOUNT),
)
GET_HISTORY: Final = Method(
    "get_history",
    s.HistoryParams,
    s.History,
    "What happened to an address, the newest first.",
    Example(s.HistoryParams(examples.ALICE, limit=1), examples.HISTORY),
)
GET_PENDING: Final = Method(
    "get_pending",
    s.AccountParams,
    s.Pending,
    "What waits and concerns an address.",
    Example(s.AccountParams(examples.ALICE), examples.PENDING),
)

# --- calls ------------------------------------------------------------------------------------

ESTIMATE_CALL: Final = Method(
    "estimate_call",
    s.EstimateParams,
    s.Estimate,
    "What a call would cost and how long it would wait.",
    Example(s.EstimateParams(16, text="Once upon a time"), examples.ESTIMATE),
    raises=(NOT_FOUND,),
)
GET_CALL: Final = Method(
    "get_call",
    s.TransactionParams,
    s.CallReply,
    "A call and its answer.",
    Example(s.TransactionParams(examples.TXID), examples.CALL),
    raises=(NOT_FOUND,),
)
GET_PROOF: Final = Method(
    "get_proof",
    s.ProofParams,
    s.ProofReply,
    "The proof of an answered call; `data.status` of NOT_FOUND says why there is none; with "
    "`data.retry` it was moved: the chain changed meanwhile, ask again.",
    Example(s.ProofParams(examples.TXID), examples.PROOF),
    raises=(NOT_FOUND,),
)
GET_RECEIPT: Final = Method(
    "get_receipt",
    s.ReceiptParams,
    s.ReceiptReply,
    "The receipt of an answered call, a file that `esper verify` checks without a node; "
    "`data.status` of NOT_FOUND says why there is none: that of `get_proof`, or pruned, not_deep, "
    "no_anchor, no_tokenizer.",
    Example(s.ReceiptParams(examples.TXID), examples.RECEIPT),
    raises=(NOT_FOUND,),
)

# --- mempool and mining -----------------------------------------------------------------------

GET_MEMPOOL: Final = Method(
    "get_mempool",
    s.NoParams,
    s.MempoolReply,
    "What waits.",
    Example(NOTHING, examples.MEMPOOL),
)
GET_MINING: Final = Method(
    "get_mining",
    s.NoParams,
    s.Mining,
    "How mining goes.",
    Example(NOTHING, examples.MINING),
    raises=(NOT_MINING,),
)
GET_WORKERS: Final = Method(
    "get_workers",
    s.NoParams,
    s.WorkersReply,
    "Who searches and proves for this miner: workers of a farm, and processes of this machine.",
    Example(NOTHING, examples.WORKERS),
    raises=(NOT_MINING,),
)
PAUSE_MINING: Final = Method(
    "pause_mining",
    s.NoParams,
    s.Done,
    "Stop searching until `resume_mining` or a restart; a proof that runs is finished, calls are "
    "still answered and proven, and `generate` is refused.",
    Example(NOTHING, s.Done()),
    raises=(NOT_MINING,),
    needs_token=True,
)
RESUME_MINING: Final = Method(
    "resume_mining",
    s.NoParams,
    s.Done,
    "Go on searching.",
    Example(NOTHING, s.Done()),
    raises=(NOT_MINING,),
    needs_token=True,
)
SET_THREADS: Final = Method(
    "set_threads",
    s.ThreadsParams,
    s.Done,
    "Cap the threads of search and proofs; at most four for each processor. Those of a search on a "
    "graphics card are its own, and are refused.",
    Example(s.ThreadsParams(threads=2), s.Done()),
    raises=(NOT_MINING,),
    needs_token=True,
)
GENERATE: Final = Method(
    "generate",
    s.GenerateParams,
    s.Generated,
    "Mine blocks now; regtest alone. While mining is paused it is refused at once.",
    Example(s.GenerateParams(1), s.Generated([examples.BLOCK_ID])),
    raises=(NOT_MINING, PAUSED),
    needs_token=True,
    awaits_blocks=True,
)

# --- the DAO ----------------------------------------------------------------------------------

DAO_LIST: Final = Method(
    "dao_list",
    s.NoParams,
    s.DaoList,
    "Proposals that have not ended, how they stand, and what acts when.",
    Example(NOTHING, examples.DAO_LIST),
)
DAO_GET: Final = Method(
    "dao_get",
    s.ProposalParams,
    s.ProposalReply,
    "Everything about a live proposal, by its id or the first digits of it.",
    Example(s.ProposalParams(examples.TXID), examples.PROPOSAL),
    raises=(NOT_FOUND,),
)
DAO_VOTER: Final = Method(
    "dao_voter",
    s.VoterParams,
    s.VoterReply,
    "What an address counts for, whom it delegates to, and how it voted.",
    Example(s.VoterParams(examples.ALICE), examples.VOTER),
)
DAO_SETTINGS: Final = Method(
    "dao_settings",
    s.NoParams,
    s.DaoSettings,
    "The parameters that votes may move: what holds, how far they may go, what is pending.",
    Example(NOTHING, examples.DAO_SETTINGS),
)
DAO_READINESS: Final = Method(
    "dao_readiness",
    s.NoParams,
    s.DaoReadiness,
    "How many blocks count for what is to act, or is on trial.",
    Example(NOTHING, examples.DAO_READINESS),
)
DAO_REHEARSAL: Final = Method(
    "dao_rehearsal",
    s.RehearsalParams,
    s.RehearsalReply,
    "What this node rehearsed of a proposed model, for its payee to sign where the key is "
    "elsewhere; `submit_transaction` takes it back.",
    Example(s.RehearsalParams(examples.TXID, examples.ALICE), examples.DAO_REHEARSAL),
    raises=(NOT_FOUND, NOT_MINING, REFUSED),
)
DAO_REPORTS: Final = Method(
    "dao_reports",
    s.ReportsParams,
    s.Reports,
    "Reports on a proposed model: scores, drawn items, who proved what, and which suites still "
    "need one.",
    Example(s.ReportsParams(examples.TXID), examples.REPORTS),
    raises=(NOT_FOUND,),
)
DAO_REPORT: Final = Method(
    "dao_report",
    s.ReportParams,
    s.ReportShown,
    "One report on a live model, with a bit for each item.",
    Example(s.ReportParams(examples.TXID), examples.REPORT),
    raises=(NOT_FOUND,),
)
DAO_SETS: Final = Method(
    "dao_sets",
    s.SetsParams,
    s.HiddenSets,
    "Hidden sets by tokenizer: who committed to them, what was drawn, and the bond of a place.",
    Example(s.SetsParams(), examples.HIDDEN_SETS),
)
DAO_SET: Final = Method(
    "dao_set",
    s.SetParams,
    s.SetShown,
    "One hidden set: whether anything of it is to be opened, and until when.",
    Example(s.SetParams(examples.TXID), examples.HIDDEN_SET),
    raises=(NOT_FOUND,),
)
DAO_ROUNDS: Final = Method(
    "dao_rounds",
    s.RoundsParams,
    s.Rounds,
    "The rounds of hidden sets about a model: scores, who opened what, and what they came to.",
    Example(s.RoundsParams("7d" * 64), examples.ROUNDS),
    raises=(NOT_FOUND,),
)
DAO_CHECK_PROPOSAL: Final = Method(
    "dao_check_proposal",
    s.CheckParams,
    s.CheckReply,
    "Whether the next block would take a proposal from an address, and for which bond; nothing is "
    "sent.",
    Example(s.CheckParams(examples.ALICE, 3, "7c" * 64), examples.DAO_CHECK),
)

# --- the network ------------------------------------------------------------------------------

GET_NETWORK: Final = Method(
    "get_network",
    s.NoParams,
    s.NetworkReply,
    "How the node stands to its network.",
    Example(NOTHING, examples.NETWORK),
    raises=(NO_NETWORK,),
)
GET_PEERS: Final = Method(
    "get_peers",
    s.NoParams,
    s.Peers,
    "Who is connected, and why the last ones left.",
    Example(NOTHING, examples.PEERS),
    raises=(NO_NETWORK,),
)
CONNECT_PEER: Final = Method(
    "connect_peer",
    s.ConnectParams,
    s.ConnectedPeer,
    "Dial a peer, and keep it as a configured one until the node ends.",
    Example(s.ConnectParams(examples.MULTIADDR), examples.PEER),
    raises=(NO_NETWORK, UNREACHED),
    needs_token=True,
)
DISCONNECT_PEER: Final = Method(
    "disconnect_peer",
    s.PeerParams,
    s.Disconnected,
    "End a peer's connections; it may come back.",
    Example(s.PeerParams(examples.PEER_ID), s.Disconnected(1)),
    raises=(NO_NETWORK, NOT_FOUND),
    needs_token=True,
)
BAN_PEER: Final = Method(
    "ban_peer",
    s.BanParams,
    s.Ban,
    "Keep an id or an address away for a while, and end its connections.",
    Example(s.BanParams("192.0.2.7", 3600), examples.BAN),
    raises=(NO_NETWORK, SPARED),
    needs_token=True,
)
UNBAN_PEER: Final = Method(
    "unban_peer",
    s.PeerParams,
    s.Done,
    "Let an id or an address come again.",
    Example(s.PeerParams("192.0.2.7"), s.Done()),
    raises=(NO_NETWORK, NOT_FOUND),
    needs_token=True,
)
GET_BANS: Final = Method(
    "get_bans",
    s.NoParams,
    list[s.Ban],
    "Whom this node keeps away.",
    Example(NOTHING, [examples.BAN]),
    raises=(NO_NETWORK,),
)

# --- packages of models -----------------------------------------------------------------------

MODEL_PROGRESS: Final = Method(
    "model_progress",
    s.NoParams,
    s.ModelPackages,
    "Packages of proposed models: how far they are fetched, what the checks said, until when they "
    "stay.",
    Example(NOTHING, s.ModelPackages(1, True, [examples.MODEL_PACKAGE])),
)

# --- events -----------------------------------------------------------------------------------

GET_EVENTS: Final = Method(
    "get_events",
    s.EventsParams,
    s.EventsReply,
    "What happened lately, by number: what a subscriber missed.",
    Example(s.EventsParams(after=16, n=1), examples.EVENTS),
)

# --- the server -------------------------------------------------------------------------------

STOP: Final = Method(
    "stop",
    s.NoParams,
    s.Done,
    "Shut the node down.",
    Example(NOTHING, s.Done()),
    needs_token=True,
)
DISCOVER: Final = Method(
    "rpc.discover",
    s.NoParams,
    dict[str, Any],
    "This interface as OpenRPC.",
    Example(NOTHING, {"openrpc": "1.3.2"}),
)
"""Answered from the table itself."""

METHODS: Final[MethodTable] = method_table(
    row for row in tuple(globals().values()) if isinstance(row, Method)
)
"""Every method above, by its name."""
