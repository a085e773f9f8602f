"""The network of a running node: its parts made of settings and of what the node has.

The real ones meet here: sockets, chain, mempool, clocks, files. Simulations put others in their
place (``ingredients.py``).
"""

import logging
from collections.abc import Callable
from dataclasses import fields
from typing import Final

import trio

from esper.consensus.block import decode_body
from esper.consensus.header_isolation import read_header
from esper.node.events import TipMoved
from esper.node.mining.mining_service import MinedNews
from esper.node.peers.errands import Errands
from esper.node.peers.from_memory import FromMemory
from esper.node.peers.ingredients import NetworkIngredients
from esper.node.peers.jobs import ChainJobs
from esper.node.peers.progress import Progress
from esper.node.peers.transactions import PoolJobs, PoolNews
from esper.p2p.actions import Brought
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import Requests
from esper.p2p.flow.served import Served
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.peers.multiaddr import endpoint_text
from esper.p2p.peers.netgroup import Reach, ip_from_text, reach_of
from esper.p2p.peers.peer_address import PeerAddress, peer_id_text
from esper.p2p.ports import (
    Adopt,
    ChainPort,
    CheckLists,
    CheckWork,
    JudgeBlock,
    LookAgain,
    Proven,
    Reroot,
)
from esper.p2p.relay.block_relay import BlockRelay
from esper.p2p.relay.tx_jobs import Admit, Pooled, SelectNext
from esper.p2p.relay.tx_relay import TxRelay
from esper.p2p.service.answering import Answering, NotHere
from esper.p2p.service.following import Following
from esper.p2p.service.gate import Gate, OwnHello
from esper.p2p.service.machine_room import MachineRoom
from esper.p2p.service.network import Network, NetworkParts
from esper.p2p.service.packages.packages import Packages
from esper.p2p.service.peer_parts import make_peer_parts
from esper.p2p.service.peer_table import PeerTable
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.sync.board import SyncSettings
from esper.p2p.sync.events import KeepFrom, SyncedOnce, Tell
from esper.p2p.sync.sync import Sync
from esper.p2p.wire.fields import Claim
from esper.primitives.ids import BlockId
from esper.saying import complain, say, warn

LOG: Final = logging.getLogger("esper.network")


class NetworkService:
    """A network service and everything that it is joined to."""

    def __init__(self, made_of: NetworkIngredients) -> None:
        self._made_of = made_of
        made_of.chain.keep_far()
        now = made_of.steady()
        limits = NetworkLimits.of(made_of.params)
        settings = made_of.settings
        self.parts = make_peer_parts(
            settings, made_of.known, made_of.node_id, settings.port, now, made_of.wall()
        )
        """The machines about peers."""
        self.table = PeerTable()
        """Who is connected."""
        assumed = settings.assume_valid
        sync = Sync(
            limits,
            made_of.chain_port,
            made_of.random,
            SyncSettings(
                assume_valid=None if assumed is None else (assumed[0], BlockId(assumed[1])),
                alone=settings.alone,
                was_synced=made_of.chain.was_synced,
                halted=made_of.chain.halted,
                threads=made_of.threads,
                configured_peers=len(settings.static),
            ),
            now,
        )
        blocks = BlockRelay(limits, made_of.chain_port, made_of.mempool, made_of.random)
        transactions = TxRelay(made_of.random, now)
        blocks.knows_of = transactions.told
        self.following = Following(sync, blocks, transactions, made_of.steady, self._told)
        """The machines about chain and transactions."""
        requests, served = Requests(), Served(now, made_of.settings.upload_per_s)
        self._requests, self._served = requests, served
        chain_jobs, pool_jobs = (
            ChainJobs(made_of.chain, self._brought),
            PoolJobs(made_of.mempool, made_of.chain),
        )
        self.packages = Packages(
            made_of.packages,
            made_of.random,
            made_of.steady,
            up_per_s=settings.package_upload_per_s,
            down_per_s=settings.package_download_per_s,
        )
        """Fetches packages of models, and gives them."""
        self.gate = Gate(
            OwnHello(
                made_of.genesis_hash,
                made_of.node_id,
                made_of.random.getrandbits(64),
                self.packages.services,
                settings.agent,
            ),
            self.parts,
            self.table,
            limits,
            made_of.steady,
            made_of.wall,
            made_of.random,
            claim=self.claim,
            proofs_from=made_of.proofs_from,
            port=lambda: made_of.endpoint.port,
            joined=self._joined,
        )
        """Lets peers in."""
        self._chain_jobs = chain_jobs
        self._room = MachineRoom(
            {**self.following.machines, Owner.PACKAGES: self.packages.machine},
            requests,
            {
                **dict.fromkeys(
                    (CheckWork, CheckLists, JudgeBlock, Adopt, Reroot, LookAgain), chain_jobs
                ),
                **dict.fromkeys((Admit, SelectNext), pool_jobs),
                **self.packages.jobs,
            },
            made_of.steady,
            connection_of=self.table.connection,
            blamed=self.gate.blamed,
            asked=self._asked,
            told=self._told_by,
        )
        self.following.perform_in(self._room)
        self.packages.perform_in(self._room)
        self.memory = FromMemory(self.following, made_of.mempool)
        """What is answered without a look at the disk."""
        self._network = Network(
            NetworkParts(
                limits=limits,
                endpoint=made_of.endpoint,
                table=self.table,
                gate=self.gate,
                room=self._room,
                requests=requests,
                served=served,
                answering=Answering(
                    served, made_of.blocks, self.memory, self.memory, made_of.steady
                ),
                machines=self.following,
                packages=self.packages,
                steady=made_of.steady,
                random=made_of.random,
                claim=self.claim,
                save=self._save,
            )
        )
        self._errands = Errands(made_of.chain)
        self._saves: list[Callable[[], None]] = []
        self._progress = Progress(lambda: self.following.state, made_of.steady)

    @property
    def network(self) -> Network:
        """The connections."""
        return self._network

    @property
    def node_id(self) -> bytes:
        """38 bytes."""
        return self._made_of.node_id

    @property
    def settings(self) -> NetworkSettings:
        """What the operator chose."""
        return self._made_of.settings

    @property
    def chain_port(self) -> ChainPort:
        """The chain, as machines see it."""
        return self._made_of.chain_port

    @property
    def steady(self) -> Callable[[], int]:
        """Counts ms evenly."""
        return self._made_of.steady

    @property
    def listening(self) -> str:
        """Where peers are let in; empty if they are not."""
        port, hosts = self._made_of.endpoint.port, self._made_of.settings.hosts
        return ", ".join(endpoint_text(ip_from_text(host), port) for host in hosts if port)

    @property
    def own_address(self) -> PeerAddress | None:
        """Where others may dial this node, as far as it is known."""
        port, hosts = self._made_of.endpoint.port, self._made_of.settings.hosts
        for ip, known_port in self.parts.own.known():
            return PeerAddress(ip, known_port or port, self.node_id)
        for host in hosts:
            ip = ip_from_text(host)
            if port and reach_of(ip) is not Reach.NOWHERE:
                return PeerAddress(ip, port, self.node_id)
        return None

    @property
    def trouble(self) -> str:
        """Why this machine cannot take blocks now; empty if it can."""
        return self._chain_jobs.trouble

    def static_ids(self) -> frozenset[bytes]:
        """Ids of the configured peers."""
        return frozenset(one.peer_id for one in self._made_of.settings.static)

    def counters(self) -> dict[str, int]:
        """Numbers for people who look closer."""
        found: dict[str, int] = {}
        machines = self.following
        for name, statistics in (
            ("sync", machines.sync.statistics()),
            ("blocks", machines.blocks.statistics()),
            ("transactions", machines.transactions.statistics()),
            ("requests", self._requests.statistics()),
            ("served", self._served.statistics()),
            ("packages", self.packages.machine.statistics()),
            ("packages_served", self.packages.serving.statistics()),
            ("book", self.parts.book.statistics()),
            ("slots", self.parts.slots.statistics()),
        ):
            for one in fields(statistics):
                found[f"{name}_{one.name}"] = getattr(statistics, one.name)
        return found

    def claim(self) -> Claim:
        """The tip that this node stands on."""
        tip = self._made_of.chain_port.tip
        return Claim(tip.height, tip.weight, tip.tip_id)

    def save_with(self, save: Callable[[], None]) -> None:
        """Call this now and then, and at the end."""
        self._saves.append(save)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Raises PortError before it has started."""
        news = PoolNews(
            self._made_of.events,
            self._made_of.mempool,
            self._made_of.params.limits.transaction_bytes,
            self,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(self._network.run)
            self.tell_listening()
            await nursery.start(news.run)
            nursery.start_soon(self._follow_tip)
            nursery.start_soon(self._follow_own_blocks)
            nursery.start_soon(self._errands.run)
            task_status.started()

    # What the node tells.

    def tell_listening(self) -> None:
        """Where others come in and whom they meet: what a person passes on to them."""
        where = (
            f"peers may dial {self.listening}" if self.listening else "nobody may dial this node"
        )
        say(
            LOG,
            "network_started",
            "{where}; the id of this node is {id}",
            where=where,
            id=peer_id_text(self.node_id),
        )

    async def _follow_tip(self) -> None:
        with self._made_of.events.subscribe(TipMoved, room=1) as moves:
            async for _ in moves:
                # One that was missed is as good as one that was told: the tip is looked at.
                self._room.chain_changed()
                self.following.note_busy()

    async def _follow_own_blocks(self) -> None:
        with self._made_of.events.subscribe(MinedNews) as mined:
            async for news in mined:
                if isinstance(news, MinedNews):
                    try:
                        whole = await self._made_of.whole_block(news.block_id)
                    except NotHere:
                        # Peers hear of it as of any new tip, and this disk serves it if it can.
                        complain(
                            LOG,
                            "own_block_unread",
                            "block {height} of this node could not be read back to be sent",
                            height=news.height,
                        )
                        continue
                    self.own_block(whole.header, whole.body, whole.proof)

    def own_block(self, header: bytes, body: bytes, proof: bytes) -> None:
        """This node found a block, and its chain took it."""
        limits = self._made_of.params.limits
        self._room.perform(
            Owner.BLOCKS,
            self.following.blocks.own_block(
                read_header(header, limits),
                decode_body(body, limits.body_bytes),
                proof,
                self._made_of.steady(),
            ),
        )

    def admitted(self, one: Pooled) -> None:
        """A transaction waits."""
        self._room.perform(
            Owner.TRANSACTIONS,
            self.following.transactions.admitted(
                one.prefix, one.size, one.sender, one.nonce, one.is_call, self._made_of.steady()
            ),
        )

    def gone(self, prefix: bytes) -> None:
        """A transaction waits no more."""
        actions = self.following.transactions.gone(prefix)
        self._room.perform(Owner.TRANSACTIONS, actions)

    # What the service tells.

    def _joined(self, peer: Peer, claim: Claim) -> None:
        self._network.joined(peer, claim)

    def _asked(self, number: PeerNumber) -> None:
        connected = self.table.get(number)
        if connected is not None:
            now = self._made_of.steady()
            group = b"" if connected.peer is None else connected.peer.group
            self.parts.penalties.asked(connected.address.peer_id, group, now)

    def _brought(self, block: Proven) -> None:
        self.following.blocks.proven_by_sync(block)
        self._progress.brought(block)

    def _told_by(self, owner: Owner, action: object) -> None:
        if owner is Owner.PACKAGES:
            self.packages.told(action)
        else:
            self.following.told(owner, action)

    def _told(self, action: object) -> None:
        match action:
            case Tell(words, True):
                warn(LOG, "network_told", "{words}", words=words)
            case Tell(words, False):
                say(LOG, "network_told", "{words}", words=words)
            case Brought(peer, chain):
                self.gate.brought(peer, chain)
            case SyncedOnce() | KeepFrom():
                self._errands.add(action)
            case _:
                return

    def _save(self) -> None:
        for save in self._saves:
            save()
