"""Two seeders of a package for a node in a process of its own: one that lies, one that stalls.

Both have the package whole, in stores and on sockets as nodes have them; they run in a thread of
the test. Of the chain they know the genesis block alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from esper.consensus.genesis import genesis_hash, genesis_header
from esper.model.package.disk_rules import DiskRules
from esper.model.package.store import ModelStore
from esper.node.peers.model_packages import packages_of
from esper.p2p.peers.peer_address import PeerAddress, parse_peer_address, peer_id_text
from esper.p2p.service.endpoint import TcpEndpoint, protocols_of
from esper.p2p.service.packages.package_answers import ChunkSource
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.identity import Identity
from esper.p2p.wire.fields import Claim
from esper.primitives.networks import REGTEST
from tests.support.net.bare_network import BareNetwork, bare_network, running

START_S, END_S = 120, 120
LIAR, STALLER = 101, 102
"""What their ids are made of."""
PLENTY = DiskRules(free=lambda _: 1 << 40)


def reads(node: BareNetwork) -> ChunkSource:
    """Where a node's answers read chunks."""
    assert node.packages._jobs is not None
    return node.packages._jobs


def reads_by(node: BareNetwork, source: ChunkSource) -> None:
    """Let a node's answers read chunks elsewhere."""
    node.packages._answering._source = source


@dataclass
class Lying:
    """Gives each chunk with a bit of its last byte changed."""

    source: ChunkSource
    asked: list[int] = field(default_factory=list)
    """Chunks, in order."""

    async def read(self, root: bytes, index: int) -> bytes:
        data = await self.source.read(root, index)
        self.asked.append(index)
        return data[:-1] + bytes([data[-1] ^ 1])


@dataclass
class Stalling:
    """Reads so many chunks of a store, and then for ever."""

    source: ChunkSource
    chunks: int
    gave: list[int] = field(default_factory=list)
    """Chunks, in order."""
    owes: list[int] = field(default_factory=list)
    """Chunks that it was asked for and never gives."""
    stalls: trio.Event = field(default_factory=trio.Event)

    async def read(self, root: bytes, index: int) -> bytes:
        if len(self.gave) + len(self.owes) >= self.chunks:
            self.owes.append(index)
            self.stalls.set()
            await trio.sleep_forever()
        self.gave.append(index)
        return await self.source.read(root, index)


def knows_genesis(seed: int, store: ModelStore) -> BareNetwork:
    """A peer on regtest that stands on the genesis block, has a store, and only dials."""
    genesis = genesis_hash(REGTEST)
    identity = Identity.from_seed(bytes([seed]) * 32)
    endpoint = TcpEndpoint(identity, protocols_of(genesis), (), 0, spares=lambda ip: True)
    return bare_network(
        seed,
        endpoint,
        NetworkSettings(hosts=(), connect_only=True),
        models=packages_of(store),
        genesis=genesis,
        claim=Claim(0, 1, genesis_header(REGTEST).block_id),
    )


class BadSeeders:
    """A liar and a staller that have dialled a node. Made by ``bad_seeders``."""

    def __init__(self, liar: ModelStore, staller: ModelStore, root: bytes, node: str) -> None:
        """``root``: of the package; ``node``: a multiaddr."""
        self._stores = liar, staller
        self._root = root
        self._node: PeerAddress = parse_peer_address(node)
        self._token: trio.lowlevel.TrioToken | None = None
        self._met, self._failed = threading.Event(), threading.Event()
        self.failure: BaseException | None = None
        self.lying: Lying
        self.stalling: Stalling

    def run(self) -> None:
        """In a thread, until ``end``."""
        try:
            trio.run(self._main)
        except BaseException as error:
            self.failure = error
        self._met.set()

    def wait_until_met(self) -> None:
        """Until both have reached the node, or could not."""
        assert self._met.wait(START_S)
        assert self.failure is None, self.failure

    def end(self) -> None:
        """Both hang up."""
        if self._token is not None and self.failure is None:
            trio.from_thread.run_sync(self._over.set, trio_token=self._token)

    @property
    def liar_id(self) -> str:
        """As nodes show it."""
        return peer_id_text(self._liar.identity.node_id)

    @property
    def staller_id(self) -> str:
        """As nodes show it."""
        return peer_id_text(self._staller.identity.node_id)

    def liar_comes_again(self) -> str:
        """The liar dials once more: why that ended; empty if it did not."""
        assert self._token is not None
        return trio.from_thread.run(self._comes_again, trio_token=self._token)

    async def _main(self) -> None:
        self._liar, self._staller = map(knows_genesis, (LIAR, STALLER), self._stores)
        whole = self._stores[1].find(self._root)
        assert whole is not None
        self.lying = Lying(reads(self._liar))
        self.stalling = Stalling(reads(self._staller), whole.digest_count() - 1)
        reads_by(self._liar, self.lying)
        reads_by(self._staller, self.stalling)
        self._token, self._over = trio.lowlevel.current_trio_token(), trio.Event()
        async with running(self._liar, self._staller):
            for one in (self._liar, self._staller):
                await one.packages.offer(self._root)
                await one.meet_at(self._node)
            self._met.set()
            await self._over.wait()

    async def _comes_again(self) -> str:
        table = self._liar.table
        with trio.move_on_after(END_S):
            while table.all():
                await trio.sleep(0.01)
            before = len(table.left)
            await self._liar.meet_at(self._node)
            while len(table.left) == before:
                await trio.sleep(0.01)
            return table.left[0].why
        return ""


@contextmanager
def bad_seeders(folder: Path, source: Path, node: str) -> Iterator[BadSeeders]:
    """Both have the package of the folder ``source``, and are peers of ``node``, a multiaddr."""
    with ExitStack() as stack:
        stores = [
            stack.enter_context(ModelStore.opened(folder / name, PLENTY))
            for name in ("liar", "staller")
        ]
        root, _ = (store.take_in(source).root for store in stores)
        found = BadSeeders(stores[0], stores[1], root, node)
        thread = threading.Thread(target=found.run, daemon=True)
        thread.start()
        try:
            found.wait_until_met()
            yield found
        finally:
            found.end()
            thread.join(START_S)
        assert found.failure is None, found.failure
