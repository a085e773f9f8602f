"""One whole node of a simulation: chain, mempool, network service, on a data directory."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import trio

from esper.consensus.ports import WorkVerifier
from esper.crypto.signing import KeyPair, key_from_seed
from esper.node.datadir import DataDirectory
from esper.node.events import TipMoved
from esper.node.peers.network_plan import NetworkPlan
from esper.node.peers.network_service import NetworkService
from esper.node.running_node import NodeParts, OpenNode, open_node
from esper.node.settings import Settings
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import ID_PREFIX, PeerAddress
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.sync.sync_state import Phase
from esper.primitives.params import NetworkParameters
from tests.support.net.memory_link import MemoryNetwork
from tests.support.node.node_world import NoTexts, store_options
from tests.support.sim.sim_endpoint import PORT, MemoryEndpoint
from tests.support.sim.sim_mining import Found, Pace, SimWorker, mine_on


@dataclass(frozen=True)
class Place:
    """Who a node is and where."""

    number: int

    @property
    def ip(self) -> str:
        """Each in a /16 of its own."""
        return f"{20 + self.number // 200}.{self.number % 200}.7.7"

    @property
    def node_id(self) -> bytes:
        return ID_PREFIX + bytes([self.number]) * 32

    @property
    def address(self) -> PeerAddress:
        return PeerAddress(ip_from_text(self.ip), PORT, self.node_id)

    @property
    def key(self) -> KeyPair:
        """Who is paid."""
        return key_from_seed(1, b"sim" + bytes([self.number]) * 29)


@dataclass(frozen=True)
class Plan:
    """How a node takes part."""

    place: Place
    static: tuple[Place, ...] = ()
    """Whom it always dials."""
    seeds: tuple[Place, ...] = ()
    """Whom it asks for others."""
    share: float = 0.0
    """Of all work; 0: it does not mine."""
    alone: bool = False
    """See the setting."""
    skew_ms: int = 0
    """Its clock less the true time."""


class SimNode:
    """A node that can be stopped and started again."""

    def __init__(
        self,
        plan: Plan,
        params: NetworkParameters,
        network: MemoryNetwork,
        folder: Path,
        pace: Pace,
        verifier: WorkVerifier,
        seed: str,
        log: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self.params = params
        self.skew_ms = plan.skew_ms
        """Its clock less the true time; may be set."""
        self.wanted: int | None = None
        """Blocks that it still mines; None: without end."""
        self.mined = 0
        """Blocks that it found."""
        self._network = network
        self._folder = folder
        self._pace = pace
        self._verifier = verifier
        self._seed = seed
        self._log = log
        self._runs = 0
        self._open: OpenNode | None = None
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    def __str__(self) -> str:
        return f"node {self.plan.place.number}"

    @property
    def node(self) -> OpenNode:
        assert self._open is not None
        return self._open

    @property
    def is_up(self) -> bool:
        return self._open is not None

    @property
    def service(self) -> NetworkService:
        assert self.node.network is not None
        return self.node.network

    @property
    def height(self) -> int:
        return self.node.chain.view.context.height

    @property
    def tip(self) -> bytes:
        return self.node.chain.tip

    @property
    def weight(self) -> int:
        return self.node.chain.view.context.weight

    def steady(self) -> int:
        """Milliseconds of trio's clock."""
        return true_ms(self.params)

    def wall(self) -> int:
        """What its clock says."""
        return true_ms(self.params) + self.skew_ms

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until stopped or cancelled."""
        self._runs += 1
        self._scope, self._ended = trio.CancelScope(), trio.Event()
        chance = random.Random(f"{self._seed} {self.plan.place.number} {self._runs}")
        try:
            with self._scope, ExitStack() as closing:
                node = closing.enter_context(self._opened(chance))
                self._open = node
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.service.run)
                    nursery.start_soon(self._tell_moves, node)
                    if self.plan.share:
                        nursery.start_soon(self._mine, node, chance)
                    task_status.started()
        finally:
            self._open = None
            self._ended.set()

    async def stop(self) -> None:
        """Stop it as a signal does; its directory stays."""
        self._scope.cancel()
        await self._ended.wait()

    def _opened(self, chance: random.Random) -> AbstractContextManager[OpenNode]:
        plan = self.plan
        directory = DataDirectory(self._folder, self.params)
        self._folder.mkdir(parents=True, exist_ok=True)
        directory.vrf_secret(plan.place.node_id[-32:])
        network = NetworkPlan(
            NetworkSettings(
                hosts=(plan.place.ip,),
                port=PORT,
                static=tuple(one.address for one in plan.static),
                seeds=tuple(one.address for one in plan.seeds),
                archive=True,
                alone=plan.alone,
                agent=b"sim",
            ),
            plan.place.node_id,
            MemoryEndpoint(self._network, plan.place.ip, plan.place.node_id),
            chance.randbytes,
            chance,
        )
        parts = NodeParts(
            directory,
            self._verifier,
            NoTexts(),
            self.wall,
            None,
            store_options(self.params),
            self.steady,
            network,
        )
        settings = Settings(network=self.params.name, datadir=self._folder, archive=True)
        return open_node(settings, parts, self._scope.cancel)

    async def _tell_moves(self, node: OpenNode) -> None:
        with node.events.subscribe(TipMoved) as moves:
            async for moved in moves:
                assert isinstance(moved, TipMoved)
                undone = f", {len(moved.undone)} undone" if moved.undone else ""
                self._log(f"{self}: {moved.tip_id.hex()[:8]} at {moved.height}{undone}")

    async def _mine(self, node: OpenNode, chance: random.Random) -> None:
        worker = SimWorker(self.params, self.plan.place.key, self.plan.place.node_id[-32:])
        await mine_on(
            node,
            worker,
            self._pace,
            self.plan.share,
            chance,
            self.wall,
            self._may_mine,
            self._found,
        )

    def _may_mine(self) -> bool:
        state = self.service.following.state
        return self.wanted != 0 and not state.busy and state.phase is not Phase.HALTED

    def _found(self, found: Found) -> None:
        self.mined += 1
        if self.wanted:
            self.wanted -= 1
        block = found.block
        count = len(block.body.transactions)
        self._log(f"{self}: found {block.header.block_id.hex()[:8]} of {count} transactions")


def true_ms(params: NetworkParameters) -> int:
    """The time of a simulation."""
    return params.genesis_time_ms + 10_000 + round(1000 * trio.current_time())
