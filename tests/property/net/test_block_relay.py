"""The relay of blocks among peers that lie, drip, leave and answer in any order."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esper.p2p.actions import End
from esper.p2p.limits import (
    FETCHES_INBOUND,
    FETCHES_OF_A_WORK,
    FETCHES_OUTBOUND,
    FUTURE_HEADERS,
    PREFERRED,
    PUSHES,
    RECENT_BLOCKS,
    WORKS_OF_A_PEER,
)
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Adopt
from esper.p2p.relay.blocks.delivery import Key
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import BlockTxs, BodyOf, Compact, Proof
from esper.p2p.wire.messages import Request
from esper.p2p.wire.talk_messages import Announce, GetBlock, GetBlockTxs
from tests.support.block_workshop import Made
from tests.support.net.relay_world import (
    GENESIS,
    LIMITS,
    RelayWorld,
    fake_sibling,
    fake_work,
    header_of,
    honest_answers,
    made_on,
    parts_of,
    transactions_of,
)

FIRST = made_on(GENESIS, "alice", "bob")
RIVAL = made_on(GENESIS, "bob", payee="carol")
SECOND = made_on(FIRST, "alice")
THIRD = made_on(SECOND)
BLOCKS = [FIRST, RIVAL, SECOND, THIRD]
BY_ID = {made.block_id: made for made in BLOCKS}
WORK_OF = {made.block_id: header_of(made).work_id for made in BLOCKS}
INDEX = st.integers(0, len(BLOCKS) - 1)
MOST_PEERS = 9
LIES = ["refuse", "late", "junk", "proof", "header", "half", "truth"]


class RelayMachine(RuleBasedStateMachine):
    @initialize(known=st.sets(st.sampled_from(range(5)), max_size=5))
    def start(self, known: set[int]) -> None:
        self.world = RelayWorld()
        self.honest: set[PeerNumber] = set()
        self.ever_honest: set[PeerNumber] = set()
        self.has: set[tuple[PeerNumber, bytes]] = set()
        self.told: dict[tuple[PeerNumber, bytes], int] = {}
        self.seen_sends = 0
        self.relayed: set[bytes] = set()
        self.must: set[tuple[PeerNumber, bytes]] = set()
        transactions = [one for made in BLOCKS for one in transactions_of(made)[:-1]]
        self.world.pool.add(*(one for index, one in enumerate(transactions) if index in known))
        self.join(outbound=True, honest=True)
        self.join(outbound=False, honest=False)

    @precondition(lambda self: len(self.world.peers) < MOST_PEERS)
    @rule(outbound=st.booleans(), honest=st.booleans())
    def join(self, outbound: bool, honest: bool) -> None:
        number = self.world.peer(outbound=outbound)
        if honest:
            self.honest.add(number)
            self.ever_honest.add(number)

    @precondition(lambda self: len(self.world.peers) > 2)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        number = self.some_peer(data)
        self.world.leave(number)
        self.honest.discard(number)

    @rule(data=st.data(), index=INDEX)
    def announce(self, data: st.DataObject, index: int) -> None:
        made = BLOCKS[index]
        number = self.some_peer(data)
        self.has.add((number, made.block_id))
        self.world.announce(number, made)

    @rule(data=st.data(), index=INDEX, which=st.integers(0, 3), same=st.booleans())
    def announce_fake(self, data: st.DataObject, index: int, which: int, same: bool) -> None:
        made = BLOCKS[index]
        liars = sorted(self.world.peers.keys() - self.honest)
        if liars:
            header = fake_sibling(made, which) if same else fake_work(made, which)
            self.world.announce(data.draw(st.sampled_from(liars)), header)

    @rule(data=st.data(), index=INDEX, whole=st.booleans())
    def push(self, data: st.DataObject, index: int, whole: bool) -> None:
        made = BLOCKS[index]
        number = self.some_peer(data)
        if number in self.honest:
            if number not in self.world.preferred():
                return
            whole = True
        self.has.add((number, made.block_id))
        self.world.push(number, made, proof=whole)

    @rule(data=st.data(), push=st.integers(0, 1))
    def prefer(self, data: st.DataObject, push: int) -> None:
        self.world.do(self.world.relay.prefer(self.some_peer(data), push, self.world.now))

    @precondition(lambda self: self.world.asks)
    @rule(data=st.data(), lie=st.sampled_from(LIES))
    def answer(self, data: st.DataObject, lie: str) -> None:
        number, key = data.draw(st.sampled_from(sorted(self.world.asks, key=repr)))
        request = self.world.asks[number, key]
        made = BY_ID.get(_wanted(request))  # type: ignore[call-overload]
        if number in self.honest:
            assert made is not None
            self.world.answer(number, key, *honest_answers(parts_of(made), request))
        elif lie == "refuse":
            self.world.end(number, key, End.REFUSED)
        elif lie == "late":
            self.world.end(number, key, End.LATE)
        else:
            self.lie(number, key, request, made or FIRST, lie)

    def lie(self, number: PeerNumber, key: Key, request: Request, made: Made, lie: str) -> None:
        parts = parts_of(made)
        answers = honest_answers(parts, request, lambda _: True)
        if lie == "junk":
            answers = _junk(request, made)
        elif lie == "proof" and isinstance(request, GetBlock):
            answers[1] = Proof(1, request.block_id, b"another proof")
        elif lie == "header" and isinstance(answers[0], Compact):
            answers[0] = replace(answers[0], header=RIVAL.data.header)
        elif lie == "half":
            answers = answers[:1]
        self.world.answer(number, key, *answers, end=lie != "half")

    @precondition(lambda self: self.world.jobs)
    @rule(data=st.data(), broken=st.sampled_from([False] * 9 + [True]))
    def run_job(self, data: st.DataObject, broken: bool) -> None:
        job = self.world.jobs.pop(data.draw(st.integers(0, len(self.world.jobs) - 1)))
        if broken and not isinstance(job, Adopt):
            failure = Failure.of_machine(OSError("no memory"))
            self.world.do(self.world.relay.done(job.key, failure, self.world.now))
        else:
            if isinstance(job, Adopt) and job.blocks[0].header.pre.parent not in (
                self.world.chain.proven
            ):
                # The chain adopts in order.
                self.world.jobs.insert(0, job)
                return
            self.world.run(job)

    @rule(ms=st.sampled_from([1, 50, 250, 1000, 5000, 30_000]))
    def wait(self, ms: int) -> None:
        self.world.pass_ms(ms)

    @invariant()
    def nobody_honest_is_blamed(self) -> None:
        assert [one for one in self.world.blames if one.peer in self.ever_honest] == []

    @invariant()
    def what_strangers_fill_is_bounded(self) -> None:
        found = self.world.relay.statistics()
        assert found.fetches_inbound <= FETCHES_INBOUND
        assert found.fetches_outbound <= FETCHES_OUTBOUND
        assert found.pushes <= PUSHES
        deliveries = found.fetches_inbound + found.fetches_outbound + found.pushes
        assert found.reserved_bytes == deliveries * LIMITS.fetch
        in_use = deliveries + WORKS_OF_A_PEER * len(self.world.peers)
        assert found.works <= in_use
        assert found.ids <= in_use
        assert found.future_headers <= FUTURE_HEADERS
        assert found.recent_blocks <= RECENT_BLOCKS
        assert found.preferred <= PREFERRED
        assert found.preferrers <= found.peers == len(self.world.peers)

    @invariant()
    def a_peer_is_asked_for_one_block_at_a_time(self) -> None:
        asked = self.world.asked_of()
        assert len(asked) == len(set(asked))

    @invariant()
    def a_work_is_asked_of_three_at_most(self) -> None:
        works: dict[object, int] = {}
        for one in self.world.asks.values():
            if isinstance(one, GetBlock):
                work = WORK_OF.get(one.block_id, one.block_id)  # type: ignore[call-overload]
                works[work] = works.get(work, 0) + 1
        assert max(works.values(), default=0) <= FETCHES_OF_A_WORK

    @invariant()
    def one_at_least_who_pushes_was_dialled(self) -> None:
        preferred = [self.world.peers[one] for one in self.world.preferred()
                     if one in self.world.peers]  # fmt: skip
        assert sum(not one.outbound for one in preferred) <= 1

    @invariant()
    def each_proven_block_reaches_everybody_once(self) -> None:
        for send in self.world.sends[self.seen_sends :]:
            if isinstance(send.message, Announce | Compact):
                [made] = [one for one in BLOCKS if one.data.header == send.message.header]
                told = (send.peer, made.block_id)
                self.told[told] = self.told.get(told, 0) + 1
        self.seen_sends = len(self.world.sends)
        assert max(self.told.values(), default=1) == 1
        for job in self.world.jobs:
            if isinstance(job, Adopt) and job.blocks[0].block_id not in self.relayed:
                block_id = job.blocks[0].block_id
                self.relayed.add(block_id)
                self.must |= {(number, block_id) for number in self.world.peers}
        assert self.must <= self.told.keys() | self.has

    def some_peer(self, data: st.DataObject) -> PeerNumber:
        return data.draw(st.sampled_from(sorted(self.world.peers)))

    def teardown(self) -> None:
        """Whatever happened: a fresh honest peer brings its block through."""
        if not hasattr(self, "world"):
            return
        world = self.world
        for number in list(world.peers.keys() - self.honest):
            world.leave(number)
        self.let_everything_end()
        # Whoever held a block back is gone, and what has no giver is forgotten.
        assert world.relay.statistics().reserved_bytes == 0
        helper = world.peer(outbound=True)
        for made in (FIRST, SECOND):
            world.announce(helper, made)
            self.let_everything_end()
            assert world.has(made)

    def let_everything_end(self) -> None:
        world = self.world
        for _ in range(300):
            world.work()
            world.pass_ms(1000)
            for (number, key), request in tuple(world.asks.items()):
                if (number, key) in world.asks:
                    made = BY_ID[_wanted(request)]  # type: ignore[index]
                    world.answer(number, key, *honest_answers(parts_of(made), request))
            if not world.asks and not world.jobs:
                return
        raise AssertionError("it goes on for ever")


def _wanted(request: Request) -> bytes:
    if isinstance(request, GetBlock | GetBlockTxs):
        return request.block_id
    return request.block_ids[0]  # type: ignore[union-attr]


def _junk(request: Request, made: Made) -> list[object]:
    match request:
        case GetBlock():
            return [
                replace(parts_of(made).compact(lambda _: True, 1), shorts=(bytes(16),), filled=())
            ]
        case GetBlockTxs():
            return [BlockTxs(1, request.block_id, tuple(b"junk" for _ in request.indices))]
        case _:
            return [BodyOf(1, _wanted(request), b"junk")]


RelayMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestBlockRelay = pytest.mark.filterwarnings("default")(RelayMachine.TestCase)
