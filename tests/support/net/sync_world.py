"""A small network around the sync machine: made-up blocks, scripted peers, a plain event queue.

Headers are real values that hash, link and weigh; the rest of a block is whatever its maker says of
it. No work is done: a thousand blocks take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from random import Random
from typing import Any

from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.header import Header, PreHeader
from esper.consensus.header_chain import HeaderChain
from esper.crypto.vrf import VrfProof
from esper.dao.registry import ONE, Entry, Puzzle
from esper.dao.schedule import Activation, Scheduled, still_ahead
from esper.p2p.actions import Ask, Blame, Cancel, End
from esper.p2p.faults import Offence
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.ports import Adopt, Adopted, JudgeBlock, LookAgain, Reroot
from esper.p2p.sync.events import KeepFrom, SyncedOnce, Tell
from esper.p2p.sync.sync import Sync, SyncSettings
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import BodyOf, Headers, Proof
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import (
    PART_BODY,
    PART_PROOF,
    REFUSED_PRUNED,
    REFUSED_UNKNOWN,
    GetBlocks,
    GetHeaders,
    Refuse,
)
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import (
    HeightViolation,
    HorizonViolation,
    ModelViolation,
    TimeFutureViolation,
    UnknownParentViolation,
)
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.ids import BlockId, ModelId
from tests.support.fake_work import fake_network

PARAMS = fake_network()
GENESIS = ChainContext.genesis(PARAMS)
UNIT = 1_000
"""Weight of a usual block."""
LIMITS = NetworkLimits(undo=16, horizon=20, ahead=20, body=1_000, proof=1_000, asking_ms=3_000)

ROTATED_EVERY = 7

SOUND = "sound"
FORGED = "forged"
"""The proof proves nothing: the id covers it, so whoever looks sees it."""
BAD_STATE = "bad state"
"""Real work, and a body that no state allows."""


@dataclass(frozen=True, eq=False)
class Made:
    """A block."""

    header: Header
    headers: HeaderChain
    """Its chain, all of it executed."""
    parent: Made | None
    kind: str = SOUND

    @property
    def block_id(self) -> BlockId:
        return self.headers.tip_id

    @property
    def height(self) -> int:
        return self.headers.height

    @property
    def body(self) -> bytes:
        return b"body" + self.block_id

    @property
    def proof(self) -> bytes:
        return b"proof" + self.block_id

    @property
    def data(self) -> BlockBytes:
        return BlockBytes(self.header.to_bytes(), self.body, self.proof)


def _header(
    parent: HeaderChain, weight: int, nonce: int, time_ms: int, model_id: ModelId
) -> Header:
    target = (1 << 512) // weight - 1
    pre = PreHeader(
        version=1,
        genesis_hash=parent.genesis_hash,
        parent=parent.tip_id,
        height=parent.height + 1,
        time_ms=time_ms,
        tx_root=bytes(64),
        result_root=bytes(64),
        calls_root=bytes(64),
        state_root=bytes(32),
        payee=bytes(33),
        model_id=model_id,
        tier=0,
        target=target.to_bytes(64, "big"),
        # The least there is: so a block weighs what it was told to.
        omega=1,
        bank_root=bytes(64),
        vrf_root=bytes(64),
        vrf_index=0,
        nonce=nonce,
    )
    return Header(pre, bytes(64), VrfProof(bytes(32), (), bytes(64)), bytes(64), bytes(64))


class Makers:
    """Makes blocks; no two are alike. All are remembered: they are what judges know."""

    def __init__(self, *, rotating: bool = False) -> None:
        """``rotating``: each branch confirms models of its own, which act as soon as they may."""
        self._rotating = rotating
        header = _header(GENESIS, 1, 0, 0, PARAMS.model.model_id)
        self.genesis = Made(header, GENESIS, None)
        self.by_id: dict[BlockId, Made] = {GENESIS.tip_id: self.genesis}
        self.by_header: dict[bytes, Made] = {}
        self._nonce = 0

    def block(
        self,
        parent: Made,
        weight: int = UNIT,
        kind: str = SOUND,
        time_ms: int | None = None,
        confirmed: tuple[Scheduled, ...] = (),
    ) -> Made:
        """A block of its tier's own model, whose execution confirms so much."""
        self._nonce += 1
        time = parent.headers.times_ms[-1] + 1_000 if time_ms is None else time_ms
        if self._rotating and parent.height % ROTATED_EVERY == 0:
            confirmed = (*confirmed, self.activation(parent.height + 1 + LIMITS.horizon))
        model_id = parent.headers.registry.tier(0).model.model_id
        header = _header(parent.headers, weight, self._nonce, time, model_id)
        headers = parent.headers.extended_by_header(header).executed(confirmed)
        made = Made(header, headers, parent, kind)
        self.by_id[made.block_id] = made
        self.by_header[header.to_bytes()] = made
        return made

    def activation(self, height: int) -> Scheduled:
        """A model that nobody has seen takes the tier at a height."""
        model_id = ModelId(self._nonce.to_bytes(64, "big"))
        own = PARAMS.model
        entry = Entry(replace(own, model_id=model_id), ONE, Puzzle.of(PARAMS.puzzle))
        return Scheduled(height, Activation(entry, 0))

    def chain(self, parent: Made, count: int, weight: int = UNIT, kind: str = SOUND) -> list[Made]:
        """So many blocks on top of a parent, the lowest first."""
        blocks = []
        for _ in range(count):
            parent = self.block(parent, weight, kind)
            blocks.append(parent)
        return blocks


def up_to(tip: Made) -> list[Made]:
    """Genesis to ``tip``."""
    found = [tip]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found[::-1]


@dataclass(frozen=True)
class FakeProven:
    made: Made

    @property
    def block_id(self) -> BlockId:
        return self.made.block_id

    @property
    def data(self) -> BlockBytes:
        return self.made.data

    @property
    def header(self) -> Header:
        return self.made.header

    @property
    def headers(self) -> HeaderChain:
        return self.made.headers


class FakeChain:
    """A tree of blocks of which the heaviest sound branch is executed.

    What it says of a branch is what those of its blocks confirmed that were executed here.
    """

    def __init__(self, makers: Makers, undo: int, horizon: int = LIMITS.horizon) -> None:
        self.makers = makers
        self.undo = undo
        long = horizon + 50
        governance = replace(PARAMS.governance, horizon=horizon, grace=long, trial=long)
        self.params = replace(PARAMS, governance=governance)
        self.known = {makers.genesis.block_id: makers.genesis}
        self.executed: set[BlockId] = set()
        self.visited: list[Made] = []
        self.chain = [makers.genesis]
        self.failed: set[BlockId] = set()
        self.refused: dict[BlockId, RuleViolation] = {}
        self.now_ms = 1 << 60
        self.rerooted: list[BlockId] = []
        self.kept_from: int | None = None
        self.current = True

    @property
    def chain(self) -> list[Made]:
        """The executed chain, genesis first."""
        return self._chain

    @chain.setter
    def chain(self, chain: list[Made]) -> None:
        self._chain = chain
        self.executed.update(made.block_id for made in chain)

    @property
    def tip(self) -> HeaderChain:
        return self._seen(self.chain[-1])

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        made = self.known.get(block_id)
        return self._seen(made) if made is not None and block_id not in self.failed else None

    def _seen(self, made: Made) -> HeaderChain:
        """A block's headers, as whoever executed no more of its branch has them."""
        last = made
        while last.block_id not in self.executed:
            assert last.parent is not None
            last = last.parent
        schedule = still_ahead(last.headers.schedule, made.height)
        return replace(
            made.headers, params=self.params, schedule=schedule, executed_height=last.height
        )

    def height_on_chain(self, block_id: BlockId) -> int | None:
        made = self.known.get(block_id)
        if made is None or made.height >= len(self.chain):
            return None
        return made.height if self.chain[made.height].block_id == block_id else None

    def fork_height(self, block_id: BlockId) -> int | None:
        found = self.known.get(block_id)
        while found is not None and self.height_on_chain(found.block_id) is None:
            found = found.parent
        return None if found is None else found.height

    def id_at(self, height: int) -> BlockId:
        if height < 0:
            raise LookupError(height)
        return self.chain[height].block_id

    def tip_is_current(self) -> bool:
        return self.current

    def check_may_come(self, header: Header) -> HeaderChain:
        parent = header.pre.parent
        if parent in self.failed or header.block_id in self.failed:
            raise InvalidAncestorViolation(header.block_id, parent)
        if parent not in self.known:
            raise UnknownParentViolation(parent)
        return self._seen(self.known[parent])

    def check_header(self, header: Header, parent: HeaderChain) -> None:
        if header.pre.parent != parent.tip_id:
            raise UnknownParentViolation(header.pre.parent)
        if header.pre.height != parent.height + 1:
            raise HeightViolation(header.pre.height, parent.height + 1)
        if header.pre.height > parent.horizon:
            raise HorizonViolation(header.pre.height, parent.horizon)
        models = [one.model.model_id for one in parent.registry.tier(0).entries]
        if header.pre.model_id not in models:
            raise ModelViolation(header.pre.model_id, models[0])
        if header.pre.time_ms > self.now_ms:
            raise TimeFutureViolation(header.pre.time_ms, self.now_ms)
        self.check_alone(header)

    def check_alone(self, header: Header) -> None:
        if header.block_id in self.refused:
            raise self.refused[header.block_id]

    def adopt(self, blocks: Iterable[Made]) -> Adopted:
        done = 0
        for made in blocks:
            failure = self._add(made)
            if failure is not None:
                return Adopted(done, failure)
            done += 1
        return Adopted(done)

    def _add(self, made: Made) -> Failure | None:
        assert made.parent is not None
        if made.parent.block_id not in self.known or made.parent.block_id in self.failed:
            return Failure(Consequence.RETRY, None, "its parent is unknown")
        self.known[made.block_id] = made
        if made.headers.weight <= self.tip.weight:
            return self._visit(made)
        branch = up_to(made)
        fork = 0
        while (
            fork + 1 < min(len(branch), len(self.chain))
            and branch[fork + 1] is self.chain[fork + 1]
        ):
            fork += 1
        if len(self.chain) - 1 - fork > self.undo:
            del self.known[made.block_id]
            return Failure(Consequence.HALT, None, "the branch forks too deep")
        bad = next((one for one in branch[fork + 1 :] if one.kind == BAD_STATE), None)
        if bad is not None:
            self.failed |= {one.block_id for one in branch if one.height >= bad.height}
            return Failure(Consequence.FAILED, None, "its state root is wrong")
        self.chain = branch
        return None

    def _visit(self, made: Made) -> Failure | None:
        """As the node does: a lighter branch is executed once it ends at its horizon."""
        seen, fork = self._seen(made), self.fork_height(made.block_id)
        assert fork is not None
        if seen.height < seen.horizon or self.tip.height - fork > self.undo:
            return None
        branch = up_to(made)[fork + 1 :]
        bad = next((one for one in branch if one.kind == BAD_STATE), None)
        if bad is not None:
            self.failed |= {one.block_id for one in branch if one.height >= bad.height}
            return Failure(Consequence.FAILED, None, "its state root is wrong")
        self.visited.append(made)
        self.executed.update(one.block_id for one in branch)
        return None

    def reroot(self, block_id: BlockId) -> None:
        """Stand on a proven block of any branch."""
        fork = self.fork_height(block_id)
        assert fork is not None
        if self.tip.height - fork > self.undo:
            assert self.kept_from is not None, "undo records are gone before they are needed"
            assert self.kept_from <= fork
        self.rerooted.append(block_id)
        self.chain = up_to(self.known[block_id])


def _own_body(made: Made) -> bytes:
    return made.body


@dataclass
class Script:
    """A peer: an honest one, changed by its fields."""

    makers: Makers
    chain: list[Made]
    """Its executed chain, genesis first."""
    group: bytes = b""
    outbound: bool = True
    static: bool = False
    proofs_from: int = 1
    claim: Claim | None = None
    """What it says; None: its tip."""
    delay_ms: int = 20
    """Before each answer, and between its parts."""
    body_of: Callable[[Made], bytes] = _own_body
    silent: tuple[type, ...] = ()
    """Requests that it never answers."""
    says_pruned: bool = False
    """Whether it keeps no proofs and did not say so."""
    honest: bool = True

    @property
    def claimed(self) -> Claim:
        tip = self.chain[-1]
        return self.claim or Claim(tip.height, tip.headers.weight, tip.block_id)

    def answers(self, request: GetHeaders | GetBlocks) -> list[Any] | None:
        """Messages in order, then an End; None: nothing ever."""
        if isinstance(request, self.silent):
            return None
        if isinstance(request, GetHeaders):
            return self._headers(request)
        return self._blocks(request)

    def _headers(self, request: GetHeaders) -> list[Any]:
        for block_id in request.locator:
            made = self.makers.by_id.get(BlockId(block_id))
            place = made.height if made is not None else len(self.chain)
            if place < len(self.chain) and self.chain[place] is made:
                follow = self.chain[place + 1 : place + 1 + request.most]
                headers = tuple(made.header.to_bytes() for made in follow)
                return [Headers(0, block_id, headers), End.DONE]
        return [End.REFUSED]

    def _blocks(self, request: GetBlocks) -> list[Any]:
        said: list[Any] = []
        for block_id in request.block_ids:
            made = self.makers.by_id[BlockId(block_id)]
            if made.height >= len(self.chain) or self.chain[made.height] is not made:
                said.append(Refuse(0, block_id, REFUSED_UNKNOWN))
            elif request.parts & PART_PROOF and (
                self.says_pruned or made.height < self.proofs_from
            ):
                said.append(Refuse(0, block_id, REFUSED_PRUNED))
            else:
                if request.parts & PART_BODY:
                    said.append(BodyOf(0, block_id, self.body_of(made)))
                if request.parts & PART_PROOF:
                    said.append(Proof(0, block_id, made.proof))
        return [*said, End.DONE]


@dataclass
class _Open:
    peer: PeerNumber
    request: GetHeaders | GetBlocks
    until: int


class World:
    """The machine, its peers and the time."""

    def __init__(
        self,
        *,
        limits: NetworkLimits = LIMITS,
        seed: int = 0,
        makers: Makers | None = None,
        judge_ms: int = 4,
        adopt_ms: int = 2,
        **settings: Any,
    ) -> None:
        self.makers = makers or Makers()
        self.chain = FakeChain(self.makers, limits.undo, limits.horizon)
        self.limits = limits
        self.sync = Sync(limits, self.chain, Random(seed), replace(SyncSettings(), **settings))
        self.now = 0
        self.peers: dict[PeerNumber, Script] = {}
        self.blamed: list[tuple[PeerNumber, Offence, str]] = []
        self.looked: list[tuple[int, BlockId]] = []
        """When it was looked again at which block."""
        self.told: list[str] = []
        self.syncs = 0
        self.asked: list[tuple[int, PeerNumber, GetHeaders | GetBlocks]] = []
        self.most_bytes = 0
        self.most_headers = 0
        self.closes_blamed = True
        self.steps = 0
        self._open: dict[tuple[PeerNumber, Hashable], _Open] = {}
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._number = 0
        self._judge_ms, self._adopt_ms = judge_ms, adopt_ms

    # What happens.

    def join(self, script: Script) -> PeerNumber:
        self._number += 1
        number = PeerNumber(self._number)
        group = script.group or b"group %d" % number
        peer = Peer(
            number, bytes(38), script.outbound, group, script.static, proofs_from=script.proofs_from
        )
        self.peers[number] = script
        self._do(self.sync.joined(peer, self.now))
        self.claim(number)
        return number

    def honest(self, tip: Made, **fields: Any) -> PeerNumber:
        """A peer that stands on a block joins."""
        return self.join(Script(self.makers, up_to(tip), **fields))

    def claim(self, number: PeerNumber) -> None:
        """A peer says its tip."""
        if number in self.peers:
            self._do(self.sync.claimed(number, self.peers[number].claimed, self.now))

    def move(self, number: PeerNumber, tip: Made) -> None:
        """A peer stands on another block now, and says so."""
        self.peers[number].chain = up_to(tip)
        self.claim(number)

    def leave(self, number: PeerNumber) -> None:
        if self.peers.pop(number, None) is None:
            return
        for peer, key in [one for one in self._open if one[0] == number]:
            del self._open[peer, key]
            self._do(self.sync.ended(peer, key, End.LEFT, self.now))
        self._do(self.sync.left(number, self.now))

    def stand_on(self, tip: Made) -> None:
        """Our chain is that one, as if relay or the disk had brought it."""
        for made in up_to(tip)[1:]:
            self.chain.known[made.block_id] = made
        self.chain.chain = up_to(tip)
        self._do(self.sync.chain_changed(self.now))

    def run(self, ms: int) -> None:
        """Let time pass."""
        end = self.now + ms
        while True:
            due = self.sync.due()
            timed = self._queue[0][0] if self._queue else None
            late = min((one.until for one in self._open.values()), default=None)
            times = [time for time in (due, timed, late) if time is not None]
            soonest = min(times, default=end + 1)
            if soonest > end:
                break
            # What a cancelled request still brought came without the machine hearing of it.
            heard = self.sync._now == self.now
            assert soonest > self.now or soonest in (timed, late) or not heard, "asks for the past"
            self.now = max(self.now, soonest)
            self._step()
        self.now = end

    def until(self, wish: Callable[[], bool], ms: int = 600_000, step: int = 100) -> None:
        """Let time pass until something is so. Fails if it never is."""
        end = self.now + ms
        while not wish():
            assert self.now < end, f"still {self.sync.state}"
            self.run(step)

    @property
    def tip(self) -> Made:
        return self.chain.chain[-1]

    # Inside.

    def _step(self) -> None:
        self.steps += 1
        if self._queue and self._queue[0][0] <= self.now:
            heappop(self._queue)[2]()
            return
        for (peer, key), one in list(self._open.items()):
            if one.until <= self.now:
                del self._open[peer, key]
                self._do(self.sync.ended(peer, key, End.LATE, self.now))
                return
        self._do(self.sync.on_time(self.now))

    def _later(self, ms: int, what: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._queue, (self.now + ms, self._order, what))

    def _do(self, actions: Iterable[Any]) -> None:
        said = self.sync.statistics()
        self.most_bytes = max(self.most_bytes, said.block_bytes)
        self.most_headers = max(self.most_headers, said.headers)
        for action in actions:
            match action:
                case Ask():
                    self._ask(action)
                case Cancel():
                    del self._open[action.peer, action.key]
                case Blame():
                    self.blamed.append((action.peer, action.offence, action.reason))
                    if self.closes_blamed:
                        number = action.peer
                        self._later(1, lambda number=number: self.leave(number))  # type: ignore[misc]
                case JudgeBlock():
                    self._later(self._judge_ms, lambda job=action: self._judge(job))  # type: ignore[misc]
                case Adopt():
                    self._later(self._adopt_ms, lambda job=action: self._adopt(job))  # type: ignore[misc]
                case Reroot():
                    self._later(self._adopt_ms, lambda job=action: self._reroot(job))  # type: ignore[misc]
                case LookAgain():
                    self.looked.append((self.now, action.block_id))
                    done = partial(self.sync.done, action.key, None)
                    self._later(self._adopt_ms, lambda done=done: self._do(done(self.now)))  # type: ignore[misc]
                case Tell():
                    self.told.append(action.words)
                case SyncedOnce():
                    self.syncs += 1
                case KeepFrom():
                    self.chain.kept_from = action.height
                case _:
                    raise AssertionError(f"unknown action {action}")

    def _ask(self, action: Ask) -> None:
        request = action.request
        assert isinstance(request, GetHeaders | GetBlocks)
        place = action.peer, action.key
        assert place not in self._open, "a key names one open request"
        self.asked.append((self.now, action.peer, request))
        if action.peer not in self.peers:
            return
        self._open[place] = _Open(action.peer, request, self.now + 10_000)
        said = self.peers[action.peer].answers(request)
        if said is not None:
            self._say(place, said)

    def _say(self, place: tuple[PeerNumber, Hashable], rest: list[Any]) -> None:
        script = self.peers[place[0]]

        def say() -> None:
            if place not in self._open:
                return
            if isinstance(rest[0], End):
                del self._open[place]
                self._do(self.sync.ended(*place, rest[0], self.now))
                return
            self._open[place].until = self.now + 10_000
            self._do(self.sync.answered(*place, rest[0], self.now))
            if place in self._open and place[0] in self.peers:
                if isinstance(rest[1], End):
                    del self._open[place]
                    self._do(self.sync.ended(*place, rest[1], self.now))
                else:
                    self._say(place, rest[1:])

        self._later(script.delay_ms, say)

    def _judge(self, job: JudgeBlock) -> None:
        made = self._made(job.data.header)
        value: object = FakeProven(made)
        assert job.parent.tip_id == made.header.pre.parent
        if job.data.body != made.body or (job.data.proof != made.proof and not job.assumed):
            value = Failure(Consequence.WRONG_BYTES, Offence.BYTES, "it is not what its id names")
        elif (refused := self._refused(job)) is not None:
            value = refused
        elif made.kind == FORGED:
            value = Failure(Consequence.INVALID, Offence.FORGED, "the proof proves nothing")
        self._do(self.sync.done(job.key, value, self.now))

    def _refused(self, job: JudgeBlock) -> Failure | None:
        """What a judge has against a header on the branch that he is given."""
        try:
            self.chain.check_header(self._made(job.data.header).header, job.parent)
        except RuleViolation as violation:
            return Failure.of(violation, Stage.HEADER)
        return None

    def _made(self, header: bytes) -> Made:
        return self.makers.by_header[header]

    def _adopt(self, job: Adopt) -> None:
        adopted = self.chain.adopt(self.makers.by_id[one.block_id] for one in job.blocks)
        self._do(self.sync.chain_changed(self.now))
        self._do(self.sync.done(job.key, adopted, self.now))

    def _reroot(self, job: Reroot) -> None:
        self.chain.reroot(job.block_id)
        self._do(self.sync.chain_changed(self.now))
        self._do(self.sync.done(job.key, None, self.now))
