"""The node as its RPC server sees it: which function answers which method."""

from collections.abc import Callable

from esper.node.views.account_views import AccountViews
from esper.node.views.answer_views import AnswerViews
from esper.node.views.call_views import CallViews
from esper.node.views.chain_views import ChainViews
from esper.node.views.dao.dao_views import DaoViews
from esper.node.views.event_views import EventViews
from esper.node.views.id_names import TransactionNames
from esper.node.views.mining_views import MiningViews
from esper.node.views.model_views import ModelViews
from esper.node.views.overview_views import OverviewViews
from esper.node.views.package_views import PackageViews
from esper.node.views.peer_views import PeerViews
from esper.node.views.pending_views import PendingViews
from esper.node.views.pool_views import PoolViews
from esper.node.views.proof_views import ProofViews
from esper.node.views.receipts.receipt_views import ReceiptViews
from esper.node.views.status_views import StatusViews
from esper.node.views.workers.worker_views import WorkerViews
from esper.rpc import methods as m
from esper.rpc.port import NodePort, answers
from esper.rpc.schema import Done, NoParams


def rpc_node(
    *,
    statuses: StatusViews,
    names: TransactionNames,
    blocks: ChainViews,
    overview: OverviewViews,
    accounts: AccountViews,
    calls: CallViews,
    answered: AnswerViews,
    proofs: ProofViews,
    receipts: ReceiptViews,
    pool: PoolViews,
    pending: PendingViews,
    mining: MiningViews,
    workers: WorkerViews,
    models: ModelViews,
    peers: PeerViews,
    dao: DaoViews,
    packages: PackageViews,
    events: EventViews,
    stop: Callable[[], None],
) -> NodePort:
    """A port over the parts of a running node; ``stop`` ends it once that is answered."""

    async def stopped(_: NoParams) -> Done:
        stop()
        return Done()

    return NodePort(
        [
            answers(m.GET_STATUS, statuses.status),
            answers(m.GET_PARAMETERS, statuses.parameters),
            answers(m.LIST_LOCAL_MODELS, models.models),
            answers(m.LIST_MODELS, statuses.models),
            answers(m.TOKENIZE, calls.tokenize),
            answers(m.DETOKENIZE, calls.detokenize),
            answers(m.GET_BLOCK, blocks.block),
            answers(m.GET_BLOCKS, overview.blocks),
            answers(m.GET_STATISTICS, overview.statistics),
            answers(m.GET_MINERS, overview.miners),
            answers(m.GET_TRANSACTION, names.whole(blocks.transaction)),
            answers(m.SUBMIT_TRANSACTION, pool.submit),
            answers(m.GET_ACCOUNT, accounts.account),
            answers(m.GET_HISTORY, accounts.history),
            answers(m.GET_PENDING, pending.pending),
            answers(m.ESTIMATE_CALL, calls.estimate),
            answers(m.GET_CALL, names.whole(answered.call)),
            answers(m.GET_PROOF, proofs.proof),
            answers(m.GET_RECEIPT, receipts.receipt),
            answers(m.GET_MEMPOOL, pool.mempool),
            answers(m.GET_MINING, mining.mining),
            answers(m.GET_WORKERS, workers.workers),
            answers(m.PAUSE_MINING, mining.pause),
            answers(m.RESUME_MINING, mining.resume),
            answers(m.SET_THREADS, mining.set_threads),
            answers(m.GENERATE, mining.generate),
            answers(m.DAO_LIST, dao.list),
            answers(m.DAO_GET, dao.get),
            answers(m.DAO_VOTER, dao.voter),
            answers(m.DAO_SETTINGS, dao.settings),
            answers(m.DAO_READINESS, dao.readiness),
            answers(m.DAO_REHEARSAL, dao.rehearsal),
            answers(m.DAO_REPORTS, dao.reports),
            answers(m.DAO_REPORT, dao.report),
            answers(m.DAO_SETS, dao.sets),
            answers(m.DAO_SET, dao.set),
            answers(m.DAO_ROUNDS, dao.rounds),
            answers(m.DAO_CHECK_PROPOSAL, dao.check),
            answers(m.GET_NETWORK, peers.network),
            answers(m.GET_PEERS, peers.peers),
            answers(m.CONNECT_PEER, peers.connect),
            answers(m.DISCONNECT_PEER, peers.disconnect),
            answers(m.BAN_PEER, peers.ban),
            answers(m.UNBAN_PEER, peers.unban),
            answers(m.GET_BANS, peers.bans),
            answers(m.MODEL_PROGRESS, packages.progress),
            answers(m.GET_EVENTS, events.events),
            answers(m.STOP, stopped),
        ]
    )
