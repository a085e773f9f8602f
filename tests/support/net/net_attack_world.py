"""Whole nodes on sockets of this machine, and strangers that send them what they like.

The node under attack listens on 127.0.0.1 with limits and bans on as if nothing were local. Each
attacker dials from a /16 of its own. Chains are of fake work; time is the machine's own.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import trio

from esper.consensus.block import Block, proof_hash
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.ports import WorkVerifier
from esper.consensus.template import EMPTY_PLAN, BlockPlan
from esper.crypto.signing import KeyPair
from esper.node.datadir import DataDirectory
from esper.node.peers.network_plan import NetworkPlan
from esper.node.peers.network_service import NetworkService
from esper.node.peers.operator import NetworkPeers
from esper.node.peers.port import NetworkView
from esper.node.peers.standing import NetworkStanding
from esper.node.running_node import NodeParts, OpenNode, open_node
from esper.node.settings import Settings
from esper.p2p.limits import NetworkLimits
from esper.p2p.peers.bars import Bar
from esper.p2p.peers.netgroup import ip_from_text
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.service.endpoint import TcpEndpoint, protocols_of
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.dialler import dial
from esper.p2p.transport.guard import SharedFrameBudget
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.link import Link, LinkClosed
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim, weight_bytes
from esper.p2p.wire.framing import FrameReader, frame_bytes
from esper.p2p.wire.messages import FrameLimits, Message, StreamKind, decode_message, stream_of
from esper.primitives.codec import encode
from esper.primitives.work_outputs import WORK_OUTPUTS
from esper.vm.state import State
from tests.support.fake_work import FakeVerifier
from tests.support.node.node_world import NoTexts, mined_block, node_params, store_options
from tests.support.vm_world import CAROL, MINER, address

M = TypeVar("M")

PARAMS: Final = node_params()
LIMITS: Final = NetworkLimits.of(PARAMS)
HOST: Final = "127.0.0.1"
SPACING_MS: Final = 10_000
HEIGHT: Final = 12
"""Of the chain that honest nodes start with."""
SOON_S: Final = 10.0
"""Within which an attacker is banned, dropped or throttled."""
PATIENCE_S: Final = 30.0
HEAVY: Final = (1 << 500).to_bytes(63, "big")


# Chains.


def next_block(
    chain: ProvenChain, payee: KeyPair = CAROL, plan: BlockPlan = EMPTY_PLAN, shift_ms: int = 0
) -> Block:
    """A sound block on top of a chain."""
    now = PARAMS.genesis_time_ms + SPACING_MS * (chain.context.height + 1) + shift_ms
    return mined_block(PARAMS, chain.context, chain.state, address(payee), now, plan)


def grown(chain: ProvenChain, block: Block) -> ProvenChain:
    """The chain with a sound block on top."""
    now = block.header.pre.time_ms + 1
    return extend(chain, block, FakeVerifier(PARAMS.model), now_ms=now)


@dataclass(frozen=True)
class Branch:
    """Blocks from genesis up."""

    chains: tuple[ProvenChain, ...]
    """By height."""
    blocks: tuple[Block, ...]
    """That of height 1 first."""

    @property
    def top(self) -> ProvenChain:
        return self.chains[-1]

    def until(self, height: int) -> Branch:
        return Branch(self.chains[: height + 1], self.blocks[:height])

    def with_block(self, block: Block, *, checked: bool = True) -> Branch:
        top = grown(self.top, block) if checked else self.top
        return Branch((*self.chains, top), (*self.blocks, block))

    def longer(self, count: int, payee: KeyPair = CAROL, shift_ms: int = 0) -> Branch:
        found = self
        for _ in range(count):
            found = found.with_block(next_block(found.top, payee, shift_ms=shift_ms))
        return found

    def by_id(self) -> dict[bytes, Block]:
        return {block.header.block_id: block for block in self.blocks}

    @property
    def claim(self) -> Claim:
        context = self.top.context
        return Claim(context.height, context.weight, context.tip_id)


@lru_cache(maxsize=1)
def base_branch() -> Branch:
    """What honest nodes start with; a little more is grown for those who need it."""
    return Branch((ProvenChain.genesis(PARAMS),), ()).longer(HEIGHT)


# Nodes.


@dataclass
class AttackedNode:
    """A running node."""

    node: OpenNode
    service: NetworkService
    identity: Identity
    host: str
    clock: Callable[[], int]
    nursery: trio.Nursery
    scope: trio.CancelScope

    @property
    def port(self) -> int:
        return int(self.service.listening.rpartition(":")[2])

    @property
    def address(self) -> PeerAddress:
        return PeerAddress(ip_from_text(self.host), self.port, self.identity.node_id)

    @property
    def height(self) -> int:
        return self.node.chain.view.context.height

    @property
    def tip(self) -> bytes:
        return self.node.chain.tip

    @property
    def chain(self) -> ProvenChain:
        manager = self.node.manager
        # A state on disk reads as one in memory does.
        return ProvenChain(manager.context, cast(State, manager.state))

    @property
    def view(self) -> NetworkView:
        """What its operator reads."""
        return NetworkPeers(self.service, NetworkStanding(self.service)).network()

    async def load(self, branch: Branch) -> None:
        for block in branch.blocks:
            await self.node.chain.submit(BlockBytes.of(block))

    async def mine(self, payee: KeyPair = MINER) -> bytes:
        """Its own next block, told to its peers."""
        block = next_block(self.chain, payee)
        await self.node.chain.submit(BlockBytes.of(block))
        data = BlockBytes.of(block)
        self.service.own_block(data.header, data.body, data.proof)
        return block.header.block_id

    def barred(self, identity: Identity) -> Bar | None:
        """Why an id is kept away."""
        for one in self.service.parts.penalties.barred(self.service.steady()):
            if one.subject.endswith(identity.node_id):
                return one.bar
        return None

    def is_connected(self, identity: Identity) -> bool:
        return any(one.address.peer_id == identity.node_id for one in self.service.table.settled())

    def why_left(self, identity: Identity) -> list[str]:
        left = self.service.table.left
        return [one.why for one in left if one.address.peer_id == identity.node_id]


@asynccontextmanager
async def running_node(
    folder: Path,
    name: str,
    *,
    host: str = HOST,
    static: Sequence[PeerAddress] = (),
    spared: bool = False,
    alone: bool = False,
    branch: Branch | None = None,
    verifier: WorkVerifier | None = None,
    **settings: Any,
) -> AsyncIterator[AttackedNode]:
    """A node from its data directory to its end; its chain is loaded before its network runs."""
    began = trio.current_time()
    clock_of = trio.lowlevel.current_clock()

    def since_ms() -> int:
        return round(1000 * (clock_of.current_time() - began))

    def wall() -> int:
        return PARAMS.genesis_time_ms + SPACING_MS * 1_000 + since_ms()

    identity = Identity.from_seed(name.encode().ljust(32, b"."))
    params = PARAMS
    chosen = NetworkSettings(
        hosts=(host,),
        port=0,
        static=tuple(static),
        archive=True,
        alone=alone,
        local_groups=spared,
        spares_local=spared,
        keeps_local=True,
        **settings,
    )
    directory = DataDirectory(folder / name, params)
    directory.path.mkdir(parents=True, exist_ok=True)
    directory.vrf_secret(bytes(32))
    endpoint = TcpEndpoint(
        identity,
        protocols_of(base_branch().top.context.genesis_hash),
        chosen.hosts,
        0,
        spares=lambda _: spared,
    )
    with ExitStack() as closing:
        parts = NodeParts(
            directory,
            verifier or FakeVerifier(params.model),
            NoTexts(),
            wall,
            None,
            store_options(params),
            since_ms,
            NetworkPlan(chosen, identity.node_id, endpoint),
        )
        chosen_all = Settings(network=params.name, datadir=directory.path, archive=True)
        node = closing.enter_context(open_node(chosen_all, parts, lambda: None))
        assert node.network is not None
        async with trio.open_nursery() as nursery:
            made = AttackedNode(
                node, node.network, identity, host, wall, nursery, nursery.cancel_scope
            )
            if branch is not None:
                await made.load(branch)
            await nursery.start(node.network.run)
            yield made
            nursery.cancel_scope.cancel()


# Attackers.

Handler = Callable[["Attacker", Any], Awaitable[None]]


@dataclass
class Attacker:
    """A peer that shakes hands like any other and sends what a test wants."""

    identity: Identity
    ip: str
    link: Link
    heard: list[Message] = field(default_factory=list)
    handlers: dict[type, Handler] = field(default_factory=dict)
    answers_pings: bool = True
    claim: Claim | None = None
    _news: trio.Event = field(default_factory=trio.Event)
    _talk: trio.Lock = field(default_factory=trio.Lock)
    _bulk: trio.Lock = field(default_factory=trio.Lock)
    _numbers: int = 0

    async def say(self, *messages: Message) -> None:
        """Send messages, each on its stream. A closed link is no failure of the test."""
        for message in messages:
            await self.send(stream_of(message.TYPE), frame_bytes(message))

    async def send(self, kind: StreamKind, data: bytes) -> None:
        stream, lock = (
            (self.link.talk, self._talk)
            if kind is StreamKind.TALK
            else (self.link.bulk, self._bulk)
        )
        try:
            async with lock:
                await stream.send_all(data)
        except LinkClosed:
            await trio.lowlevel.checkpoint()

    def number(self) -> int:
        """The next number of a request of ours."""
        self._numbers += 1
        return self._numbers

    def of(self, kind: type[M]) -> list[M]:
        """What came of one type."""
        return [one for one in self.heard if isinstance(one, kind)]

    async def hears(self, kind: type[M], count: int = 1, within_s: float = SOON_S) -> M:
        """The last of so many messages of a type, once they came."""
        with trio.fail_after(within_s):
            while len(self.of(kind)) < count:
                await self._news.wait()
        return self.of(kind)[-1]

    async def ended(self, within_s: float = SOON_S) -> None:
        """Until the node has closed the connection."""
        with trio.fail_after(within_s):
            while self.link.closed is None:
                await trio.sleep(0.02)

    @property
    def is_up(self) -> bool:
        return self.link.closed is None

    async def read(self, kind: StreamKind) -> None:
        """Take what comes on a stream and answer as the handlers say."""
        stream = self.link.talk if kind is StreamKind.TALK else self.link.bulk
        reader = FrameReader(kind, FrameLimits(LIMITS))
        try:
            while data := await stream.receive_some(1 << 16):
                for frame in reader.feed(data):
                    message = decode_message(frame.kind, frame.record)
                    if message is not None:
                        await self._take(message)
        except LinkClosed:
            return

    async def _take(self, message: Message) -> None:
        self.heard.append(message)
        self._news.set()
        self._news = trio.Event()
        if type(message) is talk.Ping and self.answers_pings:
            claim = self.claim
            height, weight, tip = (
                (0, b"", bytes(64))
                if claim is None
                else (claim.height, weight_bytes(claim.weight), claim.tip)
            )
            await self.say(talk.Pong(message.nonce, height, weight, tip))
        handler = self.handlers.get(type(message))
        if handler is not None:
            await handler(self, message)


@dataclass
class AttackWorld:
    """A node under attack, an honest peer that it dialled, and strangers."""

    folder: Path
    nursery: trio.Nursery
    stack: AsyncExitStack
    honest: AttackedNode
    target: AttackedNode
    attackers: list[Attacker] = field(default_factory=list)
    genesis: bytes = b""

    def source(self, number: int) -> str:
        """An address in a /16 of its own."""
        return f"127.{10 + number % 240}.{1 + number // 240}.7"

    def hello(self, claim: Claim, **changes: Any) -> talk.Hello:
        made = talk.Hello(
            genesis=self.genesis,
            nonce=time.monotonic_ns() & 0xFFFFFFFF,
            services=3,
            height=claim.height,
            weight=weight_bytes(claim.weight),
            tip=claim.tip,
            proofs_from=1,
            port=0,
            you=ip_from_text(HOST),
            time_ms=self.target.clock(),
            agent=b"attacker",
        )
        return replace(made, **changes)

    async def attacker(
        self,
        number: int | None = None,
        claim: Claim | None = None,
        handlers: dict[type, Handler] | None = None,
        *,
        reads: bool = True,
        settled: bool = True,
        greets: bool = True,
        source: str | None = None,
        name: str = "attacker",
        **hello: Any,
    ) -> Attacker:
        """A stranger that has said hello; ``settled``: the node has taken it for a peer."""
        number = len(self.attackers) if number is None else number
        identity = Identity.from_seed(f"{name} {number}".encode().ljust(32, b"."))
        ip = source or self.source(number)
        link = await dial(
            HOST,
            self.target.port,
            self.target.identity.node_id,
            identity,
            protocols_of(self.genesis),
            SharedFrameBudget(),
            source_ip=ip,
        )
        made = Attacker(identity, ip, link, handlers=dict(handlers or {}))
        made.claim = claim or base_branch().claim
        self.attackers.append(made)
        self.nursery.start_soon(link.run)
        if reads:
            self.nursery.start_soon(made.read, StreamKind.TALK)
            self.nursery.start_soon(made.read, StreamKind.BULK)
        if greets:
            await made.say(self.hello(made.claim, **hello))
        if settled and greets:
            await until(lambda: self.target.is_connected(identity) or not made.is_up)
        return made

    async def another_node(self, name: str, **parts: Any) -> AttackedNode:
        """One more honest node."""
        return await self.stack.enter_async_context(running_node(self.folder, name, **parts))

    async def arrival_s(self) -> float:
        """The honest peer finds a block: seconds until the node stands on it."""
        began = time.monotonic()
        block_id = await self.honest.mine()
        await until(lambda: self.target.tip == block_id)
        return time.monotonic() - began

    async def arrival_of_s(self, block: Block) -> float:
        """Likewise for a block that others were told of before."""
        began = time.monotonic()
        data = BlockBytes.of(block)
        await self.honest.node.chain.submit(data)
        self.honest.service.own_block(data.header, data.body, data.proof)
        await until(lambda: self.target.tip == block.header.block_id)
        return time.monotonic() - began

    async def calm_s(self) -> float:
        """The longest of three arrivals without an attack."""
        return max([await self.arrival_s() for _ in range(3)])

    async def check_alive(self, calm_s: float, blocks: int = 4) -> None:
        """Honest blocks still arrive, in at most twice the time and what a busy core adds.

        A machine that stands still for a moment holds up one of them, and no attack may hold up
        more than that one, nor that one for long.
        """
        took = sorted([await self.arrival_s() for _ in range(blocks)])
        assert took[-2] <= 2 * calm_s + 0.5, f"blocks took {took} s, {calm_s:.2f} s in calm"
        assert took[-1] <= 2 * calm_s + 5, f"blocks took {took} s, {calm_s:.2f} s in calm"
        self.check_honest()

    async def check_arrives(self, block: Block, calm_s: float) -> None:
        """A block that others were told of before arrives, and waits for no time-out.

        Those are tested to the millisecond on a clock of their own (`tests/attack/net`). Here the
        machine may stand still; a dozen liars who are waited for, or one to his end, take longer.
        """
        took = await self.arrival_of_s(block)
        assert took <= 2 * calm_s + 4, f"{took:.2f} s, {calm_s:.2f} s in calm"

    def check_honest(self) -> None:
        """Neither has anything against the other."""
        assert self.target.is_connected(self.honest.identity)
        assert self.target.barred(self.honest.identity) is None
        assert self.honest.barred(self.target.identity) is None


@asynccontextmanager
async def attack_world(
    folder: Path, *, honest_branch: Branch | None = None, **target: Any
) -> AsyncIterator[AttackWorld]:
    """Both nodes stand on the same chain and know it."""
    branch = base_branch() if honest_branch is None else honest_branch
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        honest = await stack.enter_async_context(
            running_node(folder, "honest", host="127.0.0.2", branch=branch, alone=True)
        )
        target.setdefault("branch", branch)
        node = await stack.enter_async_context(
            running_node(folder, "target", static=(honest.address,), **target)
        )
        genesis = branch.top.context.genesis_hash
        world = AttackWorld(folder, nursery, stack, honest, node, genesis=genesis)
        await until(lambda: node.is_connected(honest.identity))
        await until(lambda: node.view.near)
        yield world
        for attacker in world.attackers:
            attacker.link.close()
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Let everything go on until something holds."""
    with trio.fail_after(within_s):
        while not condition():
            await trio.sleep(0.005)


def run_attack(test: Callable[[], Awaitable[None]], within_s: float = 60.0) -> None:
    """Run a test's task on the machine's own time."""

    async def main() -> None:
        with trio.fail_after(within_s):
            await test()

    trio.run(main)


# What attackers answer with.


def compact_of(block: Block, number: int, header: bytes | None = None) -> bulk.Compact:
    """A block with all its transactions filled."""
    body = block.body
    return bulk.Compact(
        number=number,
        header=block.header.to_bytes() if header is None else header,
        outputs=encode(WORK_OUTPUTS, body.outputs),
        results=body.results,
        groups=body.call_groups,
        shorts=(),
        filled=tuple(bulk.Filled(i, one) for i, one in enumerate(body.transactions)),
    )


def proof_of(block: Block, number: int) -> bulk.Proof:
    return bulk.Proof(number, block.header.block_id, block.proof)


def serves(branch: Branch) -> dict[type, Handler]:
    """Answers like an honest archive of a branch, whatever its blocks are worth."""
    blocks = branch.by_id()

    async def get_headers(attacker: Attacker, asked: talk.GetHeaders) -> None:
        ids: list[bytes] = [
            branch.chains[0].context.tip_id,
            *(one.header.block_id for one in branch.blocks),
        ]
        for locator in asked.locator:
            if locator in ids:
                at = ids.index(locator)
                break
        else:
            at = 0
        headers = [one.header.to_bytes() for one in branch.blocks[at : at + asked.most]]
        await attacker.say(bulk.Headers(asked.number, ids[at], tuple(headers)))

    async def get_blocks(attacker: Attacker, asked: talk.GetBlocks) -> None:
        for block_id in asked.block_ids:
            block = blocks.get(block_id)
            if block is None:
                await attacker.say(talk.Refuse(asked.number, block_id, talk.REFUSED_UNKNOWN))
                continue
            if asked.parts & talk.PART_BODY:
                data = BlockBytes.of(block)
                await attacker.say(bulk.BodyOf(asked.number, block_id, data.body))
            if asked.parts & talk.PART_PROOF:
                await attacker.say(bulk.Proof(asked.number, block_id, block.proof))

    async def get_block(attacker: Attacker, asked: talk.GetBlock) -> None:
        block = blocks.get(asked.block_id)
        if block is None:
            await attacker.say(talk.Refuse(asked.number, bytes(64), talk.REFUSED_UNKNOWN))
            return
        await attacker.say(compact_of(block, asked.number), proof_of(block, asked.number))

    return {talk.GetHeaders: get_headers, talk.GetBlocks: get_blocks, talk.GetBlock: get_block}


async def never(attacker: Attacker, message: object) -> None:
    """Answers nothing."""
    await trio.lowlevel.checkpoint()


class Believer:
    """A verifier that looks at nothing: for chains that others forge."""

    def verify(self, claim: object, proof: bytes) -> None:
        """Accepts."""


def with_false_proof(block: Block, noise: int = 0) -> Block:
    """The same work under another proof, which is none."""
    proof = block.proof + b"no proof" + bytes([noise])
    return replace(block, header=replace(block.header, proof_hash=proof_hash(proof)), proof=proof)


def forged_branch(base: Branch, count: int, payee: KeyPair = CAROL) -> Branch:
    """Blocks on top whose proofs are none, however well the headers look."""
    found = base
    for _ in range(count):
        block = with_false_proof(next_block(found.top, payee))
        now = block.header.pre.time_ms + 1
        top = extend(found.top, block, Believer(), now_ms=now)
        found = Branch((*found.chains, top), (*found.blocks, block))
    return found
