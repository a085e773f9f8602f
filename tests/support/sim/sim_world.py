"""Many whole nodes in one process, on links in memory and a clock that jumps."""

import hashlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import trio

from esper.crypto.signing import KeyPair, key_from_seed
from esper.p2p.faults import Fault, Offence
from esper.p2p.service.gate import Gate
from esper.p2p.service.peer_table import Connected
from esper.primitives.params import NetworkParameters
from esper.primitives.units import RANGE_512
from tests.support.fake_work import FakeVerifier, fake_network
from tests.support.net.memory_link import MemoryNetwork
from tests.support.sim.sim_mining import Pace
from tests.support.sim.sim_node import Place, Plan, SimNode
from tests.support.sim.sim_weather import Weather
from tests.support.vm_world import COIN, address

UNDO_DEPTH = 16
REST_S = 10.0
"""How long all have to stay where they are."""
CALM = Weather()


def sim_params() -> NetworkParameters:
    """Regtest with fake work whose targets follow time, and a short memory."""
    base = fake_network()
    allocation = tuple((address(key), 1000 * COIN) for key in WALLETS)
    return replace(
        base,
        reward=replace(base.reward, genesis_allocation=allocation),
        difficulty=replace(
            base.difficulty,
            retargets=True,
            genesis_target=RANGE_512 >> 3,
            future_limit_ms=60_000,
        ),
        limits=replace(base.limits, undo_depth=UNDO_DEPTH),
    )


WALLETS = tuple(key_from_seed(1, b"sim wallet" + bytes(21) + bytes([at])) for at in range(20))
"""Whose coins are there from the start."""
PARAMS = sim_params()


@dataclass(frozen=True)
class Blamed:
    """A fault that one node counted against another."""

    by: int
    who: int
    offence: Offence
    reason: str
    dropped: bool


@dataclass
class SimWorld:
    """All of it."""

    seed: int
    network: MemoryNetwork
    nodes: list[SimNode]
    folder: Path
    """Where data directories are."""
    nursery: trio.Nursery
    chance: random.Random
    make: Callable[[Plan], SimNode]
    """Another node, which does not run yet."""
    events: list[str] = field(default_factory=list)
    blames: list[Blamed] = field(default_factory=list)
    other_payees: list[KeyPair] = field(default_factory=list)
    """Of miners without a node in the network."""

    def log(self, what: str) -> None:
        """An event of the trace."""
        self.events.append(f"{trio.current_time():10.4f} {what}")

    @property
    def trace(self) -> str:
        """A hash of all that happened."""
        return hashlib.sha256("\n".join(self.events).encode()).hexdigest()

    async def start(self, node: SimNode) -> None:
        self.log(f"{node} starts")
        await self.nursery.start(node.run)

    async def stop(self, node: SimNode) -> None:
        self.log(f"{node} stops")
        await node.stop()

    @property
    def payees(self) -> list[KeyPair]:
        """Whom blocks pay."""
        return [*(one.plan.place.key for one in self.nodes), *self.other_payees]

    def stop_mining(self) -> None:
        for node in self.nodes:
            node.wanted = 0

    @property
    def up(self) -> list[SimNode]:
        return [one for one in self.nodes if one.is_up]

    @property
    def best(self) -> int:
        """The weight of the heaviest chain that anybody has."""
        return max(one.weight for one in self.up)

    def agree(self) -> bool:
        """Whether all are on one tip."""
        return len({one.tip for one in self.up}) == 1

    async def until(self, condition: Callable[[], bool], within_s: float) -> None:
        """Wait in simulated time."""
        end = trio.current_time() + within_s
        while not condition():
            assert trio.current_time() < end, self.told()
            await trio.sleep(0.5)

    async def converge(self, within_s: float = 900.0) -> None:
        """Nobody mines any more: until all stand on one tip.

        Between rivals of equal weight each node draws lots for itself; then nothing but another
        block decides, and one is mined.
        """
        self.stop_mining()
        while True:
            await self.until(lambda: len({one.weight for one in self.up}) == 1, within_s)
            await trio.sleep(REST_S)
            if self.agree():
                return
            if len({one.weight for one in self.up}) == 1:
                self.log("a tie")
                next(one for one in self.up if one.plan.share).wanted = 1
                before = self.best
                await self.until(lambda before=before: self.best > before, within_s)  # type: ignore[misc]

    def told(self) -> str:
        """What a failure shows."""
        lines = [f"seed {self.seed}, {trio.current_time():.1f} s"]
        for one in self.up:
            state = one.service.following.state
            lines.append(
                f"{one}: {one.tip.hex()[:8]} at {one.height}, {state.phase.value}, "
                f"{len(one.service.table.settled())} peers; {state.words}; "
                + " ".join(
                    f"{'->' if peer.connection.link.outbound else '<-'}"
                    f"{peer.address.peer_id[-1]}:{peer.skew_ms}"
                    for peer in one.service.table.settled()
                )
            )
        return "\n".join([*lines, *map(str, self.blames[-20:]), *self.events[-60:]])


@asynccontextmanager
async def sim_world(
    seed: int,
    plans: Sequence[Plan],
    *,
    params: NetworkParameters = PARAMS,
    pace: Pace | None = None,
    weather: Weather = CALM,
) -> AsyncIterator[SimWorld]:
    """Nodes that do not run yet."""
    chance = random.Random(f"world {seed}")
    network = MemoryNetwork(
        random.Random(f"network {seed}"),
        latency_s=weather.latency_s,
        mean_life_s=weather.mean_life_s,
    )
    weather.begin(network, random.Random(f"meddling {seed}"))
    folder = Path(tempfile.mkdtemp(prefix="esper-sim-", dir=_memory()))
    verifier = FakeVerifier(params.model)
    number_of: dict[bytes, int] = {}
    try:
        async with trio.open_nursery() as nursery:

            def make(plan: Plan) -> SimNode:
                node = SimNode(
                    plan,
                    params,
                    network,
                    folder / str(plan.place.number),
                    pace or Pace(10.0, (0.5, 1.5)),
                    verifier,
                    f"node {seed}",
                    world.log,
                )
                number_of[plan.place.node_id] = plan.place.number
                world.nodes.append(node)
                return node

            world = SimWorld(seed, network, [], folder, nursery, chance, make)
            for plan in plans:
                make(plan)
            # Looked at often enough for tests; four times a second costs a fifth of all time.
            rarely = mock.patch("esper.p2p.service.network.GATE_EVERY_S", 1.0)
            with rarely, _blames_heard(world, number_of):
                yield world
            nursery.cancel_scope.cancel()
    finally:
        shutil.rmtree(folder)


@contextmanager
def _blames_heard(world: SimWorld, number_of: dict[bytes, int]) -> Iterator[None]:
    """Write down every fault that a node counts against another, with what follows from it."""
    count = Gate.count

    def counted(gate: Gate, connected: Connected, fault: Fault) -> bool:
        dropped = count(gate, connected, fault)
        by = number_of[gate._hello.node_id]
        who = number_of[connected.address.peer_id]
        world.blames.append(Blamed(by, who, fault.offence, fault.reason, dropped))
        world.log(f"node {by} blames {who}: {fault}{', dropped' if dropped else ''}")
        return dropped

    with mock.patch.object(Gate, "count", counted):
        yield


def _memory() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def ring(count: int) -> list[Plan]:
    """Nodes that each dial the next, and the first for addresses; all mine alike."""
    places = [Place(number) for number in range(1, count + 1)]
    return [
        Plan(
            one,
            static=(places[(at + 1) % count],),
            seeds=tuple(places[:2]),
            share=1 / count,
            alone=at == 0,
        )
        for at, one in enumerate(places)
    ]
