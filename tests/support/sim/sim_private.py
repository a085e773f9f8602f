"""A miner that keeps its blocks back: a chain of its own beside a node of the network."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import trio

from esper.consensus.chain import BlockBytes
from esper.crypto.signing import KeyPair, key_from_seed
from esper.node.chain.chain_view import ChainView
from esper.node.datadir import DataDirectory
from esper.node.events import TipMoved
from esper.node.running_node import NodeParts, OpenNode, open_node
from esper.node.settings import Settings
from esper.primitives.errors.header_errors import UnknownParentViolation
from tests.support.fake_work import FakeVerifier
from tests.support.node.node_world import NoTexts, store_options
from tests.support.sim.sim_mining import Pace, SimWorker, next_find_s
from tests.support.sim.sim_node import SimNode
from tests.support.sim.sim_world import SimWorld

PAYEE = key_from_seed(1, b"private sim miner" + bytes(15))
SECRET = bytes([99]) * 32
Times = Callable[[ChainView, int], int]
"""The time that a block of a private chain says, from its parent and the true time."""


def honest_times(view: ChainView, now_ms: int) -> int:
    """As a clock says it."""
    del view
    return now_ms


class PrivateMiner:
    """Mines beside a node of the network, its window, and tells it what it likes."""

    def __init__(
        self,
        world: SimWorld,
        window: SimNode,
        folder: Path,
        share: float,
        pace: Pace,
        times: Times = honest_times,
    ) -> None:
        self._world = world
        self._window = window
        self._folder = folder
        self._share = share
        self._pace = pace
        self._times = times
        self._chance = random.Random(f"private {world.seed}")
        self._open: OpenNode | None = None
        self._began = 0
        """Height of the network's chain when this one left it."""
        self.held: list[BlockBytes] = []
        """Blocks that it has not told, the oldest first."""
        self.told = 0
        """Blocks that it has told."""
        world.other_payees.append(self.payee)

    @property
    def payee(self) -> KeyPair:
        return PAYEE

    @property
    def node(self) -> OpenNode:
        assert self._open is not None
        return self._open

    @property
    def lead(self) -> int:
        """Blocks that its chain is longer than the network's."""
        return self.node.chain.view.context.height - self._window.height

    async def run_selfish(self) -> None:
        """Hold back what leads, tell it where the others come close (Eyal and Sirer)."""
        with ExitStack() as closing:
            await self._begin(closing)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._mine)
                with self._window.node.events.subscribe(TipMoved) as moves:
                    async for moved in moves:
                        if isinstance(moved, TipMoved) and await self._take(moved):
                            await self._answer()

    async def run_branch(self, length: int) -> None:
        """Mine so many blocks on the tip of now, whatever the others do, and tell them at once."""
        with ExitStack() as closing:
            await self._begin(closing)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._mine)
                while len(self.held) < length:
                    await trio.sleep(0.5)
                nursery.cancel_scope.cancel()
            await self.release(len(self.held))

    async def release(self, count: int) -> None:
        """Tell the oldest of what is held."""
        for data in self.held[:count]:
            self._world.log(f"{count} private blocks are told, lead {self.lead}")
            try:
                await self._window.node.chain.submit(data)
            except UnknownParentViolation:
                # The first one, of a branch that left deeper than any change of chain goes.
                undo = self._window.params.limits.undo_depth
                assert self.told == 0
                assert self._began < self._window.height - undo
                self._world.log("the private chain left too deep")
                break
            self._window.service.own_block(data.header, data.body, data.proof)
            self.told += 1
        del self.held[:count]

    async def _begin(self, closing: ExitStack) -> None:
        """The chain of the network so far."""
        self._folder.mkdir()
        params = self._window.params
        directory = DataDirectory(self._folder, params)
        directory.vrf_secret(SECRET)
        parts = NodeParts(
            directory,
            FakeVerifier(params.model),
            NoTexts(),
            self._window.wall,
            None,
            store_options(params),
            self._window.steady,
        )
        settings = Settings(network=params.name, datadir=self._folder, archive=True)
        self._open = closing.enter_context(open_node(settings, parts, lambda: None))
        index, manager = self._window.node.chain.view.store.index, self._window.node.manager
        self._began = self._window.height
        for height in range(1, self._began + 1):
            await self.node.chain.submit(manager.known.block(index.entry(height).block_id))

    async def _take(self, moved: TipMoved) -> bool:
        """Let it see what the network has; whether any of that is new."""
        news = False
        for block_id in moved.applied:
            if not self.node.manager.knows(block_id):
                news = True
                await self.node.chain.submit(self._window.node.manager.known.block(block_id))
        if self.node.chain.tip == self._window.tip:
            self.held.clear()
        return news

    async def _answer(self) -> None:
        if self.lead <= 1:
            await self.release(len(self.held))
        elif len(self.held) > self.lead:
            await self.release(len(self.held) - self.lead)

    async def _mine(self) -> None:
        worker = SimWorker(self._window.params, self.payee, SECRET)
        chain = self.node.chain
        while True:
            tip, changed = chain.view, chain.next_change
            pause = next_find_s(tip.context, self._pace, self._share, self._chance)
            with trio.move_on_after(pause) as waited:
                await changed.wait()
            if not waited.cancelled_caught:
                continue
            found = worker.find(self.node, tip, self._times(tip, self._window.steady()))
            arrival = await chain.submit(found.data)
            if arrival.block_id in arrival.applied:
                self.held.append(found.data)
                self._world.log(f"private {arrival.block_id.hex()[:8]}, lead {self.lead}")
