"""A block relay with a chain, a judge and a mempool around it, and peers that a test plays."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from esper.consensus.block import decode_body
from esper.consensus.chain import check_header
from esper.consensus.header import Header, decode_header
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import check_header_in_isolation
from esper.node.chain.block_judge import BlockJudge, JudgedBlock, JudgementError
from esper.p2p.actions import Ask, Blame, Brought, Cancel, End, Send
from esper.p2p.faults import Offence
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.ports import Adopt, Adopted, CheckLists, CheckWork
from esper.p2p.relay.block_relay import BlockRelay
from esper.p2p.relay.blocks.assembly import Output
from esper.p2p.relay.blocks.delivery import Key
from esper.p2p.relay.compact import BlockParts, prefixes_of
from esper.p2p.relay.relay_actions import ToSync
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import BlockTxs, BodyOf, Compact, Proof
from esper.p2p.wire.messages import Request
from esper.p2p.wire.talk_messages import Announce, GetBlock, GetBlocks, GetBlockTxs, Prefer
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.ids import BlockId
from tests.support.block_workshop import PARAMS, Made, Workshop
from tests.support.fake_work import FakeVerifier

LIMITS = NetworkLimits.of(PARAMS)
WORKSHOP = Workshop(real_signatures=False)
GENESIS = WORKSHOP.genesis


def transfers(*senders: str) -> list[tuple[object, ...]]:
    """What a block of plain transfers holds."""
    return [("transfer", sender, (("carol", 1_000_000),), 0, True) for sender in senders]


def made_on(parent: Made, *senders: str, payee: str = "miner", spoil: str | None = None) -> Made:
    """A block with a transfer of each sender."""
    return WORKSHOP.block(parent, transfers(*senders), payee=payee, spoil=spoil)


def chain_of(count: int, parent: Made = GENESIS, payee: str = "miner") -> list[Made]:
    """Blocks one on another."""
    found: list[Made] = []
    for _ in range(count):
        parent = made_on(parent, payee=payee)
        found.append(parent)
    return found


def header_of(made: Made) -> Header:
    return decode_header(made.data.header, len(made.data.header))


def parts_of(made: Made) -> BlockParts:
    return BlockParts.of_bytes(made.block_id, made.data)


class PlayedChain:
    """A chain port: proven blocks of any branch, and the executed one."""

    def __init__(self, clock: Callable[[], int]) -> None:
        genesis = GENESIS.chain.context
        self._clock = clock
        self.proven: dict[BlockId, HeaderChain] = {genesis.tip_id: genesis}
        self.parents: dict[BlockId, BlockId] = {}
        self.executed: list[BlockId] = [genesis.tip_id]
        self.invalid: set[BlockId] = set()

    @property
    def tip(self) -> HeaderChain:
        return self.proven[self.executed[-1]]

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        return self.proven.get(block_id)

    def height_on_chain(self, block_id: BlockId) -> int | None:
        return self.executed.index(block_id) if block_id in self.executed else None

    def tip_is_current(self) -> bool:
        return True

    def fork_height(self, block_id: BlockId) -> int | None:
        if block_id not in self.proven:
            return None
        while block_id not in self.executed:
            block_id = self.parents[block_id]
        return self.executed.index(block_id)

    def id_at(self, height: int) -> BlockId:
        return self.executed[height]

    def check_may_come(self, header: Header) -> HeaderChain:
        if header.block_id in self.invalid or header.pre.parent in self.invalid:
            raise InvalidAncestorViolation(header.block_id, header.pre.parent)
        parent = self.proven.get(header.pre.parent)
        if parent is None:
            raise UnknownParentViolation(header.pre.parent)
        return parent

    def check_header(self, header: Header, parent: HeaderChain) -> None:
        check_header(header, parent, now_ms=self._clock())

    def check_alone(self, header: Header) -> None:
        check_header_in_isolation(header, self.tip.genesis_hash, self.tip.params.limits)

    def take(self, block_id: BlockId, parent_id: BlockId, headers: HeaderChain) -> None:
        """Adopts a proven block; the heaviest chain is executed."""
        self.proven[block_id] = headers
        self.parents[block_id] = parent_id
        if headers.weight > self.tip.weight:
            line = [block_id]
            while line[-1] in self.parents:
                line.append(self.parents[line[-1]])
            self.executed = line[::-1]

    def grow(self, *blocks: Made) -> None:
        """Has these blocks from elsewhere."""
        for made in blocks:
            assert made.parent is not None
            self.take(made.block_id, made.parent.block_id, made.chain.context)


class PlayedPool:
    """A mempool of bytes."""

    def __init__(self) -> None:
        self.transactions: dict[bytes, bytes] = {}

    def by_prefix(self, prefix: bytes) -> bytes | None:
        return self.transactions.get(prefix)

    def add(self, *transactions: bytes) -> None:
        self.transactions.update(zip(prefixes_of(transactions), transactions, strict=True))


@dataclass
class RelayWorld:
    """One relay; what it does is kept by kind."""

    now: int = 0
    shift_ms: int = 0
    sends: list[Send] = field(default_factory=list)
    blames: list[Blame] = field(default_factory=list)
    brought: list[Brought] = field(default_factory=list)
    to_sync: list[ToSync] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    jobs: list[CheckWork | CheckLists | Adopt] = field(default_factory=list)
    lists: list[CheckLists] = field(default_factory=list)
    """All that were ever asked for."""
    asks: dict[tuple[PeerNumber, Key], Request] = field(default_factory=dict)
    """Open ones."""
    asked: list[tuple[PeerNumber, Request]] = field(default_factory=list)
    """All that were ever asked."""

    def __post_init__(self) -> None:
        self.chain = PlayedChain(lambda: self.wall_ms)
        self.pool = PlayedPool()
        self.verifier = FakeVerifier(PARAMS.model)
        self.judge = BlockJudge(self.verifier, PARAMS.limits)
        self.relay = BlockRelay(LIMITS, self.chain, self.pool, random.Random(1))
        self.peers: dict[PeerNumber, Peer] = {}
        self.failing: set[BlockId] = set()
        """Blocks whose state fails when the chain executes them."""
        self._number = 0

    @property
    def wall_ms(self) -> int:
        return PARAMS.genesis_time_ms + 3_600_000 + self.shift_ms + self.now

    def shift_clock(self, wall_ms: int) -> None:
        """The wall clock shows this now."""
        self.shift_ms += wall_ms - self.wall_ms

    # Peers.

    def peer(self, *, outbound: bool = False) -> PeerNumber:
        self._number += 1
        number = PeerNumber(self._number)
        peer = Peer(number, b"%038d" % number, outbound, b"%016d" % number)
        self.peers[number] = peer
        self.do(self.relay.joined(peer, self.now))
        return number

    def outbound(self, count: int) -> list[PeerNumber]:
        return [self.peer(outbound=True) for _ in range(count)]

    def inbound(self, count: int) -> list[PeerNumber]:
        return [self.peer() for _ in range(count)]

    def leave(self, number: PeerNumber) -> None:
        gone = [key for key in self.asks if key[0] == number]
        for key in gone:
            del self.asks[key]
        del self.peers[number]
        self.do(self.relay.left(number, self.now))
        for _, ended in gone:
            self.do(self.relay.ended(number, ended, End.LEFT, self.now))

    # What happens.

    def do(self, actions: Sequence[Output]) -> None:
        for action in actions:
            match action:
                case Send():
                    assert action.peer in self.peers
                    self.sends.append(action)
                case Ask():
                    assert (action.peer, action.key) not in self.asks
                    assert action.peer in self.peers
                    assert isinstance(action.key, Key)
                    self.asks[action.peer, action.key] = action.request
                    self.asked.append((action.peer, action.request))
                case Cancel():
                    assert isinstance(action.key, Key)
                    del self.asks[action.peer, action.key]
                    self.cancels.append(action)
                case Blame():
                    self.blames.append(action)
                case Brought():
                    self.brought.append(action)
                case ToSync():
                    self.to_sync.append(action)
                case CheckWork() | CheckLists() | Adopt():
                    self.jobs.append(action)
                    if isinstance(action, CheckLists):
                        self.lists.append(action)
                case _:
                    raise AssertionError(action)

    def pass_ms(self, ms: int) -> None:
        """Time passes, and the machine is called whenever it wants to be."""
        until = self.now + ms
        for _ in range(1000):
            due = self.relay.due()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self.do(self.relay.on_time(self.now))
        else:
            raise AssertionError(f"due stays at {self.relay.due()} at {self.now}")
        self.now = until
        self.do(self.relay.on_time(self.now))

    def announce(self, number: PeerNumber, made: Made | bytes) -> None:
        data = made if isinstance(made, bytes) else made.data.header
        self.do(self.relay.announced(number, data, self.now))

    def push(self, number: PeerNumber, made: Made, *, proof: bool = True) -> None:
        parts = parts_of(made)
        self.do(self.relay.pushed(number, parts.compact(lambda _: False), self.now))
        if proof:
            self.do(self.relay.pushed(number, Proof(0, parts.block_id, parts.proof), self.now))

    def answer(self, number: PeerNumber, key: Key, *answers: Any, end: bool = True) -> None:
        for one in answers:
            if (number, key) in self.asks:
                self.do(self.relay.answered(number, key, one, self.now))
        if end and (number, key) in self.asks:
            self.end(number, key, End.DONE)

    def end(self, number: PeerNumber, key: Key, end: End) -> None:
        del self.asks[number, key]
        self.do(self.relay.ended(number, key, end, self.now))

    def open(self, number: PeerNumber) -> list[tuple[Key, Request]]:
        return [(key, request) for (one, key), request in self.asks.items() if one == number]

    def asked_of(self) -> list[PeerNumber]:
        """Who is asked for a block now."""
        return [number for (number, _), one in self.asks.items() if isinstance(one, GetBlock)]

    def serve(
        self,
        number: PeerNumber,
        made: Made,
        *,
        knows: Callable[[bytes], bool] = lambda _: False,
        jobs: bool = True,
    ) -> None:
        """An honest peer answers all that it is asked for about a block, and the jobs run."""
        parts = parts_of(made)
        while waiting := [
            (key, request) for key, request in self.open(number) if _about(request, parts.block_id)
        ]:
            for key, request in waiting:
                if (number, key) in self.asks:
                    self.answer(number, key, *honest_answers(parts, request, knows))
            if jobs:
                self.work()
        if jobs:
            self.work()

    def work(self) -> None:
        """Runs the jobs, and those that follow."""
        while self.jobs:
            self.run(self.jobs.pop(0))

    def run(self, job: CheckWork | CheckLists | Adopt) -> None:
        value: object
        try:
            match job:
                case CheckWork():
                    self.judge.check_work(job.header, job.outputs, job.proof, job.parent)
                    value = None
                case CheckLists():
                    block, content = self.judge.check_lists(
                        job.header, job.outputs, job.proof, job.transactions, job.results,
                        job.groups,
                    )  # fmt: skip
                    value = self.judge.judged(
                        block, content, job.parent, received_ms=job.received_ms
                    )
                case Adopt():
                    value = self._adopt(job)
        except JudgementError as error:
            value = Failure.of(error.violation, error.stage)
        self.do(self.relay.done(job.key, value, self.now))
        if isinstance(job, Adopt):
            self.do(self.relay.chain_changed(self.now))

    def _adopt(self, job: Adopt) -> Adopted:
        (block,) = job.blocks
        assert isinstance(block, JudgedBlock)
        if block.block_id in self.failing:
            self.chain.invalid.add(block.block_id)
            violation = InvalidAncestorViolation(block.block_id, block.block_id)
            return Adopted(0, Failure.of(violation, Stage.STATE))
        self.chain.take(block.block_id, block.header.pre.parent, block.headers)
        return Adopted(1)

    # What was seen.

    def announced_to(self, made: Made) -> list[PeerNumber]:
        return [
            one.peer
            for one in self.sends
            if isinstance(one.message, Announce) and one.message.header == made.data.header
        ]

    def pushed_to(self, made: Made) -> list[PeerNumber]:
        return [
            one.peer
            for one in self.sends
            if isinstance(one.message, Compact) and one.message.header == made.data.header
        ]

    def preferred(self) -> list[PeerNumber]:
        """Whom the relay told to push, and did not tell to stop."""
        said: dict[PeerNumber, int] = {}
        for one in self.sends:
            if isinstance(one.message, Prefer):
                said[one.peer] = one.message.push
        return [number for number, push in said.items() if push]

    def offences(self) -> list[tuple[PeerNumber, Offence]]:
        return [(one.peer, one.offence) for one in self.blames]

    def has(self, made: Made) -> bool:
        return made.block_id in self.chain.proven


def honest_answers(
    parts: BlockParts, request: Request, knows: Callable[[bytes], bool] = lambda _: False
) -> list[object]:
    """What a node that has a block says to a request."""
    match request:
        case GetBlock():
            return [parts.compact(knows, 1), Proof(1, parts.block_id, parts.proof)]
        case GetBlockTxs():
            wanted = tuple(parts.transactions[index] for index in request.indices)
            return [BlockTxs(1, parts.block_id, wanted)]
        case GetBlocks():
            return [BodyOf(1, parts.block_id, body_of(parts))]
    raise AssertionError(request)


def body_of(parts: BlockParts) -> bytes:
    from esper.consensus.block import Body
    from esper.primitives.codec import decode
    from esper.primitives.work_outputs import WORK_OUTPUTS

    outputs = decode(WORK_OUTPUTS, parts.outputs, limit=len(parts.outputs), what="outputs")
    return Body(parts.transactions, parts.results, parts.groups, outputs).to_bytes()


def _about(request: Request, block_id: bytes) -> bool:
    match request:
        case GetBlock() | GetBlockTxs():
            return request.block_id == block_id
        case GetBlocks():
            return block_id in request.block_ids
    return False


def transactions_of(made: Made) -> tuple[bytes, ...]:
    return decode_body(made.data.body, len(made.data.body)).transactions


def fake_work(made: Made, number: int) -> bytes:
    """A header that fits its chain and has another work, which nobody did: made for nothing."""
    header = header_of(made)
    return replace(header, pre=replace(header.pre, nonce=header.pre.nonce + 1 + number)).to_bytes()


def fake_sibling(made: Made, number: int) -> bytes:
    """Another id of a block's work, with a proof that nobody has: made for nothing."""
    return replace(header_of(made), proof_hash=b"%064d" % number).to_bytes()


def parts_with(parts: BlockParts, **changes: object) -> BlockParts:
    """Parts as a liar gives them."""
    return replace(parts, **changes)  # type: ignore[arg-type]
