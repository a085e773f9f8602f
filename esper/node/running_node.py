"""A node that runs: chain, mempool, history, RPC, and a miner if it is to mine.

Everything is opened in order and closed in reverse, whatever happens; what must survive is on disk
before anybody is told of it, so the end may come at any time.
"""

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import trio

from esper.consensus.ports import WorkVerifier
from esper.crypto.vrf import SECRET_BYTES
from esper.http.counts import HttpCounts
from esper.mempool.call_queue import CallPolicy
from esper.mempool.journal import MempoolJournal
from esper.mempool.policy import MempoolPolicy
from esper.mempool.pool import Mempool
from esper.metrics.sample import NodeGauge
from esper.node.calls.call_book import CallBook, CallsWorkedFor
from esper.node.calls.text_keeper import TextKeeper, TextReader
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.chain.going_back import go_back_if_asked
from esper.node.chain.history import ChainHistory
from esper.node.chain.milestones import MilestoneFile
from esper.node.chain.opening import open_chain, store_options
from esper.node.clock import Clock, steady_ms
from esper.node.datadir import DataDirectory
from esper.node.entries.places import EntryPlaces
from esper.node.events import Events
from esper.node.gateway.gateway_plan import GatewayPlan
from esper.node.gateway.gateway_run import GatewayRun
from esper.node.gateway.node_gateway import GatewayParts, NodeGateway
from esper.node.interpreter import share_interpreter
from esper.node.loop_watch import LoopWatch
from esper.node.mempool.mempool_service import JOURNAL_FILE as JOURNAL_FILE
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.node_mining import MiningPlan, NodeMining
from esper.node.mining.proves.desk import ProveDesk
from esper.node.mining.proves.files import ProveFiles
from esper.node.mining.proves.waiting import HandedIn
from esper.node.mining.ready_desk import ReadyDesk
from esper.node.models.keeper import ModelKeeper
from esper.node.models.model_store import ModelsPlan, open_keeper, package_source
from esper.node.node_server import NodeServer
from esper.node.peers.network_plan import NetworkPlan, network_service
from esper.node.peers.network_service import NetworkService
from esper.node.peers.network_settings import prunes
from esper.node.peers.operator import NetworkPeers
from esper.node.peers.port import PeersPort
from esper.node.peers.standing import NetworkStanding
from esper.node.services import Service, StopRequest, run_services
from esper.node.settings import Settings
from esper.node.start_warnings import start_warnings
from esper.node.stop_signals import signals_of, stop_when_signalled
from esper.node.telling.wiring import Telling, open_telling
from esper.node.views.account_views import AccountViews
from esper.node.views.answer_views import AnswerViews
from esper.node.views.call_views import CallViews
from esper.node.views.chain_views import ChainViews
from esper.node.views.dao.dao_views import DaoViews
from esper.node.views.event_views import EventViews
from esper.node.views.explorer_views import explorer_of
from esper.node.views.gauges.node_gauges import NodeGauges
from esper.node.views.gauges.outside_gauge import OutsideGauge
from esper.node.views.gauges.store_gauge import StoreGauge
from esper.node.views.id_names import TransactionNames
from esper.node.views.mining_views import MiningViews
from esper.node.views.model_views import ModelViews
from esper.node.views.overview_views import OverviewViews
from esper.node.views.package_views import PackageViews
from esper.node.views.peer_views import PeerViews
from esper.node.views.pending_views import PendingViews
from esper.node.views.pool_views import PoolViews
from esper.node.views.proof_views import ProofViews
from esper.node.views.receipts.receipt_maker import ReceiptMaker
from esper.node.views.receipts.receipt_views import ReceiptViews
from esper.node.views.rpc_node import rpc_node
from esper.node.views.status_views import StatusViews
from esper.node.views.sync_state import SyncState
from esper.node.views.workers.worker_views import WorkerViews
from esper.rpc.port import NodePort
from esper.saying import say, warn
from esper.storage.store_options import StoreOptions
from esper.storage.system_errors import system_told

LOG: Final = logging.getLogger("esper.node")
MIB: Final = 1 << 20
CALLS_PART: Final = 4
"""Calls have so many times less room than what pays fees."""
CALL_WINDOW: Final = 8
"""Blocks that a call must stay valid for to be answered: otherwise callers could let it lapse once
it is proven, and have the next one answered, at no cost."""
TELL_EVERY: Final = 1_000
"""Blocks between two lines about a history that is built."""


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What a node is made of beside its settings."""

    directory: DataDirectory
    """Its data directory."""
    verifier: WorkVerifier
    """Checks proofs."""
    texts: TextService
    """Tokenizers."""
    clock: Clock
    """The machine's, which may step."""
    mining: MiningPlan | None = None
    """None: it only follows the chain."""
    options: StoreOptions | None = None
    """How the store is opened; None: as the network has it."""
    steady: Clock = steady_ms
    """Counts evenly, for how long things take."""
    network: NetworkPlan | None = None
    """Its part in the network; None: the node is alone."""
    peers: PeersPort | None = None
    """In place of the network, as operators ask it."""
    places: EntryPlaces | None = None
    """Where models lie; None: nothing is known to."""
    read_text: TextReader | None = None
    """Reads tokenizers of models that come; None: those of ``texts`` are all."""
    models: ModelsPlan | None = None
    """Packages of models that come; None: it follows none."""
    gateway: GatewayPlan | None = None
    """Its gateway; None: it has none."""


async def run_node(
    settings: Settings,
    parts: NodeParts,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until a signal, a request to stop, or the last wanted block.

    Starts with the port of the RPC once all services are up. Raises what ``open_node`` raises,
    HttpSettingsError and RpcSettingsError, and in groups BindError, CookieError, WorkerError and
    ServiceEndedError.
    """
    share_interpreter()
    server = NodeServer(settings, parts.directory)
    stop = StopRequest()
    # Until everything is closed: a second ctrl-C must not tear it.
    caught = trio.open_signal_receiver(*signals_of(settings))
    with caught as signals, open_node(settings, parts, stop) as node:
        watch = LoopWatch(parts.steady)

        def up() -> None:
            _tell_start(node.manager, settings, server.port)
            server.tell_faces()
            task_status.started(server.port)

        pages = partial(explorer_of, node.rpc, settings, parts.directory.params, parts.clock)
        services = [
            Service("signals", partial(stop_when_signalled, signals, stop)),
            Service("the watch of the loop", watch.run),
            Service("the events for others", node.telling.run),
        ]
        gateway = None if node.gateway is None else GatewayRun(node.gateway)
        if gateway is not None:
            services.append(Service("the gateway", gateway.run))
        gauge = node_gauge(node, parts, watch, server.counts, gateway)
        serve = partial(server.run, node.rpc, gauge, node.telling, gateway, pages)
        services.append(Service("the RPC server", serve))
        if node.network is not None:
            services.append(Service("the network", node.network.run))
        if parts.read_text is not None:
            keeper = TextKeeper(parts.texts, node.chain, parts.read_text)
            services.append(Service("the texts", keeper.run))
        if node.keeper is not None:
            services.append(Service("the models", node.keeper.run))
        if node.mining is not None:
            services.append(Service("mining", node.mining.run))
        await run_services(services, stop, up)
        height = node.manager.context.height
        say(LOG, "stopped", "stopped at height {height}; everything told is on disk", height=height)


@dataclass(frozen=True, slots=True)
class OpenNode:
    """A node whose files are open, and nothing of it runs yet."""

    manager: ChainManager
    """The chain; for ``chain`` alone once anything runs."""
    chain: ChainService
    """The chain for many tasks."""
    mempool: MempoolService
    """What waits."""
    mining: NodeMining | None
    """To be run; None if it only follows the chain."""
    calls: CallBook
    """Where calls of its miner stand; empty without one."""
    events: Events
    """What happens."""
    network: NetworkService | None
    """To be run; None if the node is alone."""
    peers: PeersPort | None
    """The network as operators ask it; None if the node is alone."""
    keeper: ModelKeeper | None
    """To be run; None if it follows no packages."""
    telling: Telling
    """What programs outside are told; to be run."""
    rpc: NodePort
    """What the RPC server answers with."""
    gateway: NodeGateway | None = None
    """To be run; None if it has none."""


@contextmanager
def open_node(settings: Settings, parts: NodeParts, stop: Callable[[], None]) -> Iterator[OpenNode]:
    """Open what a node keeps on disk and put its parts together; ``stop`` ends the node.

    Raises StorageError, DataDirectoryError, SharedMemoryError, SharedAddressError and
    PublisherError.
    """
    with ExitStack() as closing:
        with system_told(parts.directory.path):
            secret = parts.directory.vrf_secret(secrets.token_bytes(SECRET_BYTES))
            reserve = settings.disk_reserve_mib * MIB
            go_back_if_asked(parts.directory, reserve)
            manager = closing.enter_context(
                open_chain(
                    parts.directory,
                    parts.verifier,
                    secret,
                    parts.clock,
                    prune=prunes(settings),
                    options=parts.options or store_options(parts.directory.params, reserve),
                )
            )
            warnings = start_warnings(manager, settings)
            for one in warnings:
                warn(LOG, "start_warning", "{warning}", warning=one)
            history = ChainHistory(manager.store, manager.params, _tell_progress)
            closing.callback(history.close)
            milestones = MilestoneFile(parts.directory.path)
            chain = ChainService(manager, parts.clock, parts.steady, milestones)
            events, calls = Events(), CallBook()
            closing.callback(events.close)
            mempool = _mempool(settings, parts, chain, manager, history, calls, events)
            closing.callback(mempool.close)
            chain.follow(history)
            telling = closing.enter_context(open_telling(settings, chain, mempool, events))
            chain.follow(mempool)
            chain.tell(events.publish)
            keeper = None
            if parts.models is not None:
                keeper = open_keeper(parts.models, parts.directory, chain, parts.clock, closing)
            mining = None
            if parts.mining is not None:
                mining = NodeMining(
                    parts.mining,
                    parts.directory,
                    chain,
                    mempool,
                    parts.texts,
                    calls,
                    events,
                    secret,
                    parts.clock,
                    stop,
                    parts.steady,
                    lambda proposal: keeper is None or keeper.is_ready(proposal),
                )
                chain.follow(mining.desk)
                chain.follow(mining.handed)
                for one in mining.warnings:
                    warn(LOG, "start_warning", "{warning}", warning=one)
            network, peers = None, parts.peers
            if parts.network is not None:
                network = network_service(
                    replace(parts.network, packages=package_source(keeper, parts.network.packages)),
                    parts.directory.path,
                    manager,
                    chain,
                    mempool,
                    events,
                    wall=parts.clock,
                    steady=parts.steady,
                )
                standing = NetworkStanding(network)
                if keeper is not None and keeper.serves:
                    keeper.network = network.packages
                chain.network, peers = standing, NetworkPeers(network, standing)
                if mining is not None:
                    network.following.busy_changed = mining.look_again
            maker = ReceiptMaker(chain, mempool, history, calls, parts.texts, parts.verifier)
            gateway = None
            if parts.gateway is not None:
                gateway = NodeGateway(
                    parts.gateway,
                    GatewayParts(
                        parts.directory,
                        chain,
                        mempool,
                        parts.texts,
                        maker,
                        parts.clock,
                    ),
                )
            packages = PackageViews(chain, keeper)
            ready, proves = None, None
            if mining is not None:
                ready = ReadyDesk(mining.proofs, chain, mempool, parts.verifier, events)
                proves = open_desk(mining.handed, chain, mempool, parts, events)
            rpc = _rpc_node(
                parts,
                chain,
                mempool,
                history,
                calls,
                mining,
                ready,
                proves,
                peers,
                packages,
                maker,
                EventViews(telling.log),
                lambda: [
                    *warnings,
                    *(mining.warnings if mining else ()),
                    *(gateway.standing.warnings if gateway else ()),
                ],
                stop,
            )
        yield OpenNode(
            manager,
            chain,
            mempool,
            mining,
            calls,
            events,
            network,
            peers,
            keeper,
            telling,
            rpc,
            gateway,
        )


def _mempool(
    settings: Settings,
    parts: NodeParts,
    chain: ChainService,
    manager: ChainManager,
    history: ChainHistory,
    worked_for: CallsWorkedFor,
    events: Events,
) -> MempoolService:
    params = manager.params
    room = settings.mempool_mib * MIB
    pool = Mempool(params, MempoolPolicy(fee_bytes=room, call_bytes=room // CALLS_PART))
    journal = MempoolJournal(parts.directory.path / JOURNAL_FILE, params.limits.transaction_bytes)
    policy = CallPolicy(
        time_budget_ms=1000 * settings.call_seconds,
        minimum_microcredits_per_second=settings.minimum_bid_rate,
        least_window=CALL_WINDOW,
    )
    mempool = MempoolService(chain, pool, journal, params, parts.steady, policy, worked_for, events)
    kept = mempool.load(manager, lambda txid: history.view.transaction(txid) is not None)
    if kept:
        say(
            LOG, "mempool_loaded", "{transactions} transactions wait from before", transactions=kept
        )
    return mempool


def open_desk(
    handed: HandedIn,
    chain: ChainService,
    mempool: MempoolService,
    parts: NodeParts,
    events: Events,
) -> ProveDesk:
    """Where proofs are handed in, with those that waited when the node ended."""
    files = ProveFiles(parts.directory.path)
    desk = ProveDesk(handed, chain, mempool, parts.verifier, events, files)
    if taken := desk.take_up():
        say(LOG, "proves_loaded", "{proves} proofs wait from before for an own block", proves=taken)
    return desk


def _rpc_node(
    parts: NodeParts,
    chain: ChainService,
    mempool: MempoolService,
    history: ChainHistory,
    calls: CallBook,
    mining: NodeMining | None,
    ready: ReadyDesk | None,
    proves: ProveDesk | None,
    peers: PeersPort | None,
    packages: PackageViews,
    receipts: ReceiptMaker,
    events: EventViews,
    warnings: Callable[[], Sequence[str]],
    stop: Callable[[], None],
) -> NodePort:
    params, texts = parts.directory.params, parts.texts
    sync = SyncState(parts.clock, peers, lambda: chain.halted)
    control = mining.control if mining is not None else None
    return rpc_node(
        statuses=StatusViews(
            chain, mempool, texts, sync, control, warnings, peers=peers, steady=parts.steady
        ),
        names=TransactionNames(mempool, history),
        blocks=ChainViews(chain, mempool, history, texts, params, sync),
        overview=OverviewViews(chain, params, sync),
        accounts=AccountViews(chain, mempool, history, texts, params, sync),
        calls=CallViews(chain, mempool, texts, control),
        answered=AnswerViews(chain, mempool, history, texts, calls, sync),
        proofs=ProofViews(chain, mempool, history, calls, params, sync, parts.verifier),
        receipts=ReceiptViews(receipts, sync),
        pool=PoolViews(chain, mempool, parts.steady, ready, proves),
        pending=PendingViews(chain, mempool, params, sync),
        mining=MiningViews(control, chain, params),
        workers=WorkerViews(mining),
        models=ModelViews(chain, parts.places, control),
        peers=PeerViews(peers, chain, sync),
        dao=DaoViews(chain, sync, history, ready),
        packages=packages,
        events=events,
        stop=stop,
    )


def node_gauge(
    node: OpenNode,
    parts: NodeParts,
    watch: LoopWatch,
    counts: HttpCounts,
    gateway: GatewayRun | None = None,
) -> NodeGauge:
    """What metrics and health checks read of a node."""
    return NodeGauges(
        node.chain,
        node.mempool,
        SyncState(parts.clock, node.peers, lambda: node.chain.halted),
        node.mining.control if node.mining is not None else None,
        node.peers,
        StoreGauge(parts.directory.path, node.manager.store.options, parts.steady),
        [node.gateway.trouble] if node.gateway is not None else (),
        lag_ms=lambda: watch.lag_ms,
        clock=parts.clock,
        outside=OutsideGauge(node.telling, counts),
        gateway=(lambda: None) if gateway is None else gateway.sample,
        farm=node.mining.farm if node.mining is not None else None,
    )


def _tell_start(manager: ChainManager, settings: Settings, bound: int) -> None:
    say(
        LOG,
        "started",
        "{network} at height {height}, RPC on {rpc_host} port {rpc_port}, data in {datadir}",
        network=manager.params.name,
        height=manager.context.height,
        rpc_host=settings.rpc_host,
        rpc_port=bound,
        datadir=str(settings.datadir),
    )


def _tell_progress(height: int, tip: int) -> None:
    if height % TELL_EVERY == 0:
        say(
            LOG,
            "building_history",
            "building the history: block {height} of {blocks}",
            height=height,
            blocks=tip,
        )
