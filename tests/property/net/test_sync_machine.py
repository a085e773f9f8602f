"""The sync machine among peers of all kinds: whatever they do, it ends on the best honest chain."""

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esper.p2p.peer import PeerNumber
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import GetBlocks, GetHeaders
from tests.support.net.sync_world import (
    BAD_STATE,
    FORGED,
    LIMITS,
    UNIT,
    Made,
    Makers,
    Script,
    World,
    up_to,
)

BUFFER = 6 * LIMITS.block
DEEP_ENOUGH = 600_000 * 4
"""Voids of ten minutes pass a few times."""


def _spoiled(made: Made) -> bytes:
    return b"spoiled"


class SyncMachine(RuleBasedStateMachine):
    """Honest peers stand on branches that fork at most the undo depth below each other."""

    @initialize(threads=st.integers(1, 3), seed=st.integers(0, 9))
    def begin(self, threads: int, seed: int) -> None:
        self.world = World(
            threads=threads, seed=seed, was_synced=True, makers=Makers(rotating=True)
        )
        self.world.sync._board.buffer.limit = BUFFER
        self.main = self.world.makers.chain(self.world.makers.genesis, 5)
        self.honest: list[PeerNumber] = []
        self.other: list[PeerNumber] = []
        self.join_honest(True, 0, 20)

    @rule(outbound=st.booleans(), behind=st.integers(0, 4), delay=st.integers(1, 400))
    def join_honest(self, outbound: bool, behind: int, delay: int) -> None:
        if len(self.honest) < 6:
            tip = self.main[-1 - min(behind, len(self.main) - 1)]
            number = self.world.honest(tip, outbound=outbound, delay_ms=delay)
            self.honest.append(number)

    @rule(count=st.integers(1, 30), who=st.integers(0, 5))
    def grow(self, count: int, who: int) -> None:
        self.main += self.world.makers.chain(self.main[-1], count)
        self._move(who)

    @rule(depth=st.integers(1, 8), more=st.integers(1, 4), who=st.integers(0, 5))
    def fork(self, depth: int, more: int, who: int) -> None:
        depth = min(depth, len(self.main) - 1)
        base = self.main[-1 - depth]
        branch = self.world.makers.chain(base, depth + more)
        self.main = [*self.main[: len(self.main) - depth], *branch]
        self._move(who)

    @rule(who=st.integers(0, 5))
    def _move(self, who: int) -> None:
        if self.honest:
            number = self.honest[who % len(self.honest)]
            peer = self.world.peers[number]
            if self.main[-1].headers.weight > peer.chain[-1].headers.weight:
                self.world.move(number, self.main[-1])

    @rule(
        kind=st.sampled_from([FORGED, BAD_STATE, "claim", "stall", "deaf", "bytes", "pruned"]),
        outbound=st.booleans(),
        depth=st.integers(0, 8),
        count=st.integers(1, 25),
        weight=st.sampled_from([UNIT // 4, UNIT, 8 * UNIT]),
        delay=st.sampled_from([1, 300, 6_000]),
    )
    def join_other(
        self, kind: str, outbound: bool, depth: int, count: int, weight: int, delay: int
    ) -> None:
        if len(self.other) >= 6:
            return
        makers = self.world.makers
        base = self.main[-1 - min(depth, len(self.main) - 1)]
        tip = makers.chain(base, count, weight, kind)[-1] if kind in (FORGED, BAD_STATE) else base
        script = Script(makers, up_to(tip), outbound=outbound, delay_ms=delay)
        top = Claim(base.height + count, (1 << 500) - 1, b"x" * 64)
        match kind:
            case "claim":
                script.claim = top
            case "stall":
                script.chain = up_to(makers.chain(base, count, weight)[-1])
                script.silent = (GetBlocks,)
            case "deaf":
                script.claim, script.silent = top, (GetBlocks, GetHeaders)
            case "bytes":
                script.body_of = _spoiled
            case "pruned":
                script.says_pruned = True
        self.other.append(self.world.join(script))

    @precondition(lambda self: self.other)
    @rule(who=st.integers(0, 5))
    def leave_other(self, who: int) -> None:
        self.world.leave(self.other.pop(who % len(self.other)))

    @precondition(lambda self: len(self.honest) > 1)
    @rule(who=st.integers(0, 5))
    def leave_honest(self, who: int) -> None:
        self.world.leave(self.honest.pop(who % len(self.honest)))

    @rule(ms=st.sampled_from([10, 500, 2_500, 11_000, 40_000]))
    def wait(self, ms: int) -> None:
        self.world.run(ms)

    @rule(who=st.integers(0, 5))
    def relay(self, who: int) -> None:
        """A block comes by relay."""
        tip = self.world.tip
        if tip in self.main and tip is not self.main[-1]:
            self.world.stand_on(self.main[self.main.index(tip) + 1])

    @invariant()
    def bounded(self) -> None:
        world = self.world
        assert world.most_bytes <= BUFFER
        assert world.most_headers <= 2 * LIMITS.ahead
        held = world.sync.statistics()
        assert held.leads <= 2
        assert held.block_bytes >= 0
        assert held.requests == len(world._open)
        in_flight = [peer.in_flight for peer in world.sync._board.peers.values()]
        assert all(0 <= one <= 9 for one in in_flight)

    @invariant()
    def nobody_honest_is_blamed(self) -> None:
        assert not {number for number, _, _ in self.world.blamed} & set(self.honest)

    def teardown(self) -> None:
        world = self.world
        for number in self.honest:
            world.peers[number].delay_ms = min(world.peers[number].delay_ms, 300)
        best = max(
            (world.peers[number].chain[-1] for number in self.honest),
            key=lambda made: made.headers.weight,
        )
        end = world.now + DEEP_ENOUGH
        while world.tip.headers.weight < best.headers.weight:
            assert world.now < end, (world.sync.state, world.sync.statistics())
            for number in list(world.peers):
                world.claim(number)
            world.run(15_000)
            self.bounded()
            self.nobody_honest_is_blamed()
        for number in list(world.peers):
            world.leave(number)
        world.run(100_000)
        held = world.sync.statistics()
        assert (held.leads, held.block_bytes, held.requests, held.jobs) == (0, 0, 0, 0)


TestSyncMachine: Callable[[], None] = SyncMachine.TestCase  # type: ignore[assignment]
SyncMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class NewcomerMachine(RuleBasedStateMachine):
    """A node that was never synced, among liars with light chains, stubs and forgeries."""

    @initialize(threads=st.integers(1, 3), stem=st.integers(0, 60), more=st.integers(1, 60))
    def begin(self, threads: int, stem: int, more: int) -> None:
        self.world = World(threads=threads, makers=Makers(rotating=True))
        self.world.chain.current = False
        self.main = self.world.makers.chain(self.world.makers.genesis, stem + more)
        self.honest = [self.world.honest(self.main[-1])]
        self.liars: list[PeerNumber] = []

    @rule(outbound=st.booleans(), behind=st.integers(0, 30))
    def join_honest(self, outbound: bool, behind: int) -> None:
        if len(self.honest) < 4:
            tip = self.main[-1 - min(behind, len(self.main) - 1)]
            self.honest.append(self.world.honest(tip, outbound=outbound))

    @rule(count=st.integers(1, 20))
    def grow(self, count: int) -> None:
        self.main += self.world.makers.chain(self.main[-1], count)
        for number in self.honest:
            self.world.move(number, self.main[-1])

    @rule(
        place=st.integers(0, 100),
        count=st.integers(1, 90),
        weight=st.sampled_from([UNIT // 10, UNIT // 2, 3 * UNIT]),
        kind=st.sampled_from(["sound", "sound", FORGED, BAD_STATE]),
        boasts=st.booleans(),
        delay=st.sampled_from([5, 500, 4_000]),
    )
    def join_liar(
        self, place: int, count: int, weight: int, kind: str, boasts: bool, delay: int
    ) -> None:
        if len(self.liars) >= 5:
            return
        # A sound branch that is heavier than the honest one would be the chain.
        base = self.main[place * (len(self.main) - 1) // 100]
        if kind == "sound":
            room = self.main[-1].headers.weight - base.headers.weight
            count = min(count, room // weight)
        if count < 1:
            return
        tip = self.world.makers.chain(base, count, weight, kind)[-1]
        claim = Claim(tip.height, (1 << 500) - 1, tip.block_id) if boasts else None
        self.liars.append(self.world.honest(tip, claim=claim, delay_ms=delay))

    @rule(ms=st.sampled_from([10, 500, 3_000, 15_000, 90_000]))
    def wait(self, ms: int) -> None:
        self.world.run(ms)

    @invariant()
    def bounded(self) -> None:
        held = self.world.sync.statistics()
        assert held.leads <= 2
        assert held.headers <= 2 * LIMITS.ahead
        assert not {number for number, _, _ in self.world.blamed} & set(self.honest)

    @invariant()
    def undone_as_deep_as_was_kept(self) -> None:
        kept, chain = self.world.chain.kept_from, self.world.chain
        owed = self.world.sync._check._owed.values()
        assert all(kept is not None and kept <= one.fork.height for one in owed)
        assert self.world.syncs == 0 or chain.current

    def teardown(self) -> None:
        world = self.world
        end = world.now + DEEP_ENOUGH
        best = self.main[-1]
        while world.tip.headers.weight < best.headers.weight:
            assert world.now < end, (world.sync.state, world.sync.statistics())
            for number in list(world.peers):
                world.claim(number)
            world.run(15_000)
            self.bounded()
        world.chain.current = True
        while world.syncs == 0:
            assert world.now < end, (world.sync.state, world.sync.statistics())
            world.run(15_000)
        assert world.tip.headers.weight >= best.headers.weight


TestNewcomerMachine: Callable[[], None] = NewcomerMachine.TestCase  # type: ignore[assignment]
NewcomerMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
