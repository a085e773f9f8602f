"""This node's requests under any order of answers, refusals, cancels, lateness and departures."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from esper.p2p.actions import Blame, End, Send
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import MOST_CLOSING, Delivered, Ended, Requests
from esper.p2p.limits import BLOCK_WHOLE_MS, CLOSING_MS
from esper.p2p.peer import PeerNumber
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import Answer, Request

IDS = (b"a" * 64, b"b" * 64)
PREFIX = b"p" * 16
PEERS = st.integers(0, 2).map(PeerNumber)
OWNERS = st.sampled_from(Owner)
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.builds(talk.GetBlock, st.just(0), st.sampled_from(IDS)),
    st.builds(
        talk.GetBlocks,
        st.just(0),
        st.lists(st.sampled_from(IDS), min_size=1, max_size=3).map(tuple),
        st.integers(1, 3),
    ),
    st.just(talk.GetTxs(0, (PREFIX,) * 3)),
    st.just(talk.GetBlockTxs(0, IDS[0], (1, 4))),
    st.just(talk.GetHeaders(0, IDS, 5)),
    st.builds(packages.GetDigests, st.just(0), st.sampled_from(IDS), st.integers(0, 1)),
    st.builds(packages.GetHoldings, st.just(0), st.sampled_from(IDS)),
    st.builds(packages.GetChunk, st.just(0), st.sampled_from(IDS), st.integers(0, 2)),
)


KINDS = st.sampled_from([32, 33, 34, 35, 36, 37, 40, 41, 51])
PACKAGE_ANSWERS = packages.Digests | packages.Holdings | packages.Chunk


def parts_of(request: Request) -> list[Answer]:
    """An honest peer's answers, in order."""
    number = request.number
    match request:
        case talk.GetBlock():
            compact = bulk.Compact(number, b"", b"", (), (), (PREFIX,), ())
            return [compact, bulk.Proof(number, request.block_id, b"")]
        case talk.GetBlocks():
            found: list[Answer] = []
            for block_id in request.block_ids:
                if request.parts & talk.PART_BODY:
                    found.append(bulk.BodyOf(number, block_id, b""))
                if request.parts & talk.PART_PROOF:
                    found.append(bulk.Proof(number, block_id, b""))
            return found
        case talk.GetTxs():
            return [bulk.Txs(number, (b"x",))]
        case talk.GetBlockTxs():
            return [bulk.BlockTxs(number, request.block_id, (b"x", b"y"))]
        case talk.GetHeaders():
            return [bulk.Headers(number, request.locator[1], ())]
        case packages.GetDigests():
            here = bytes(32 * (4_096 if request.page == 0 else 1))
            return [packages.Digests(number, request.root, request.page, 4_097, here)]
        case packages.GetHoldings():
            return [packages.Holdings(number, request.root, 3, b"\x05")]
        case packages.GetChunk():
            return [packages.Chunk(number, request.root, request.index, b"data")]


@dataclass
class Model:
    """A request as its maker and its peer see it."""

    owner: Owner
    key: int
    left: list[Answer]
    ends: int = 0
    cancelled: bool = False

    @property
    def silent(self) -> bool:
        return self.ends > 0 or self.cancelled


class RequestsMachine(RuleBasedStateMachine):
    """Against the plain rule: each Ask ends exactly once, unless it was cancelled: then never."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.requests = Requests()
        self.models: dict[PeerNumber, dict[int, Model]] = {}
        self.numbers: dict[PeerNumber, int] = {}
        self.all: list[Model] = []
        self.key = 0

    @rule(peer=PEERS, owner=OWNERS, request=REQUESTS)
    def ask(self, peer: PeerNumber, owner: Owner, request: Request) -> None:
        self.key += 1
        sent = self.requests.ask(peer, owner, self.key, request, self.now)
        self.numbers[peer] = self.numbers.get(peer, 0) + 1
        assert sent.number == self.numbers[peer]
        model = Model(owner, self.key, parts_of(sent))
        self.models.setdefault(peer, {})[sent.number] = model
        self.all.append(model)

    @rule(peer=PEERS, data=st.data(), whole=st.booleans())
    def answer(self, peer: PeerNumber, data: Any, whole: bool) -> None:
        models = self.models.get(peer, {})
        if not models:
            return
        number = data.draw(st.sampled_from(sorted(models)))
        model = models[number]
        for _ in range(len(model.left) if whole else 1):
            outcomes = self.requests.answer(peer, model.left[0], self.now)
            self._check(peer, model, outcomes, model.left.pop(0))
        if not model.left:
            assert model.silent
            del models[number]

    @rule(peer=PEERS, data=st.data(), code=st.integers(0, 4), one=st.booleans())
    def refuse(self, peer: PeerNumber, data: Any, code: int, one: bool) -> None:
        models = self.models.get(peer, {})
        if not models:
            return
        number = data.draw(st.sampled_from(sorted(models)))
        model = models[number]
        following = model.left[0]
        if one and isinstance(following, PACKAGE_ANSWERS):
            refusal = talk.Refuse(number, following.root, code)
            model.left.clear()
            outcomes = self.requests.answer(peer, refusal, self.now)
            self._check(peer, model, outcomes, refusal)
        elif one and isinstance(following, bulk.BodyOf):
            refusal = talk.Refuse(number, following.block_id, code)
            skipped = following.block_id
            model.left.pop(0)
            after = model.left[0] if model.left else None
            if isinstance(after, bulk.Proof) and after.block_id == skipped:
                model.left.pop(0)
            outcomes = self.requests.answer(peer, refusal, self.now)
            self._check(peer, model, outcomes, refusal)
        else:
            outcomes = self.requests.answer(peer, talk.Refuse(number, WHOLE_REST, code), self.now)
            if model.silent:
                assert outcomes == ()
            else:
                assert outcomes == (Ended(peer, model.owner, model.key, End.REFUSED, code),)
                model.ends += 1
            model.left.clear()
        if not model.left:
            assert model.silent
            del models[number]

    @rule(peer=PEERS, data=st.data())
    def cancel(self, peer: PeerNumber, data: Any) -> None:
        models = self.models.get(peer, {})
        if not models:
            return
        number = data.draw(st.sampled_from(sorted(models)))
        model = models[number]
        found = self.requests.cancel(peer, model.owner, model.key, self.now)
        assert found == (None if model.silent else talk.Nevermind(number))
        model.cancelled = model.cancelled or not model.ends

    @rule(peer=PEERS, beyond=st.integers(0, 3))
    def unasked(self, peer: PeerNumber, beyond: int) -> None:
        number = self.numbers.get(peer, 0) + beyond
        if number in self.models.get(peer, {}):
            return
        with pytest.raises(Fault) as caught:
            self.requests.answer(peer, bulk.Txs(number, ()), self.now)
        assert caught.value.offence is Offence.UNASKED

    @rule(
        peer=PEERS,
        size=st.integers(1, 1 << 20),
        kind=KINDS,
    )
    def arriving(self, peer: PeerNumber, size: int, kind: int) -> None:
        self.requests.arriving(peer, kind, size, self.now)

    @rule(peer=PEERS)
    def arrived(self, peer: PeerNumber) -> None:
        self.requests.arrived(peer)

    @rule(ms=st.integers(0, 20_000))
    def time(self, ms: int) -> None:
        self.now += ms
        self._on_time()

    @rule()
    def time_that_is_due(self) -> None:
        due = self.requests.due()
        if due is not None:
            self.now = max(self.now, due)
            self._on_time()

    @rule()
    def sleep(self) -> None:
        self.now += 600_000
        self.requests.begin_anew(self.now)
        assert not self.requests.on_time(self.now)

    @rule(peer=PEERS)
    def leave(self, peer: PeerNumber) -> None:
        models = self.models.pop(peer, {})
        self.numbers.pop(peer, None)
        self._ended(self.requests.left(peer), models, End.LEFT)
        assert all(model.silent for model in models.values())

    @invariant()
    def each_ended_once_at_most(self) -> None:
        assert all(model.ends + model.cancelled <= 1 for model in self.all)

    @invariant()
    def what_is_held_is_what_is_open(self) -> None:
        statistics = self.requests.statistics()
        models = [one for many in self.models.values() for one in many.values()]
        assert statistics.open == sum(not one.silent for one in models)
        assert statistics.closing == sum(one.silent for one in models)

    def teardown(self) -> None:
        # Nothing is open for ever: all ends by itself if nothing comes any more.
        self.now += 100 * BLOCK_WHOLE_MS
        self._on_time()
        assert all(model.silent for model in self.all)

    def _on_time(self) -> None:
        found = self.requests.on_time(self.now)
        due = self.requests.due()
        assert due is None or due > self.now
        for one in found:
            if isinstance(one, Ended):
                self._ended((one,), self.models[one.peer], End.LATE)
        sent = [one for one in found if isinstance(one, Send)]
        assert len(sent) == sum(isinstance(one, Ended) for one in found)
        late = [one for one in found if isinstance(one, Blame) and one.offence is Offence.LATE]
        if late:
            assert self.now >= CLOSING_MS or len(self.all) > MOST_CLOSING

    def _ended(self, outcomes: tuple[Ended, ...], models: dict[int, Model], end: End) -> None:
        for one in outcomes:
            assert one.end is end
            (model,) = (
                model
                for model in models.values()
                if (model.owner, model.key) == (one.owner, one.key)
            )
            assert not model.silent
            model.ends += 1

    def _check(
        self,
        peer: PeerNumber,
        model: Model,
        outcomes: tuple[Delivered | Ended, ...],
        message: Answer | talk.Refuse,
    ) -> None:
        if model.silent:
            assert outcomes == ()
            return
        last = not model.left or (len(model.left) == 1 and model.left[0] is message)
        expected: tuple[Delivered | Ended, ...] = (
            Delivered(peer, model.owner, model.key, message),
        )
        if last:
            expected += (Ended(peer, model.owner, model.key, End.DONE),)
            model.ends += 1
        assert outcomes == expected


RequestsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRequests = RequestsMachine.TestCase
