"""The DAO played at random against a model that keeps all states: weights, coins, tiers, undo.

Players mean something by what they do, so that models do become active and are taken back: blind
chance never gets a proposal through. The model counts votes by hand from the snapshots that it kept
itself; supply by going through all records, undo and the registry of headers ``DaoWorld`` checks.
Now and then another branch begins a few blocks below, on which other votes are cast.
"""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper.crypto.signing import KeyPair
from esper.dao.bodies import Body, RollbackBody
from esper.dao.registry import ONE, TierRegistry
from esper.dao.schedule import Scheduled, registry_at
from esper.dao.steps import OPEN, Step, Subject
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.vote import Vote
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.vm.state import State
from esper.vm.unstake import Unstake
from tests.support.dao_world import RULES, DaoWorld, change_body, model_body, proposing, proving
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, address, taken_back

PEOPLE = (ALICE, BOB, CAROL)
NAMES = {address(key): at for at, key in enumerate(PEOPLE)}
NOBODY = -1
MOST_LIVE, MOST_SCHEDULE = 32, 24

Snapshot = tuple[tuple[int, int], ...]
"""Stake and delegate of each."""


class ByHand:
    """Snapshots of every epoch, and what everybody said about every proposal."""

    def __init__(self, world: DaoWorld) -> None:
        self.world = world
        self.begun: dict[int, Snapshot] = {}
        self.said: dict[Txid, dict[int, int]] = {}
        self.note()

    def now(self) -> Snapshot:
        records = self.world.records
        return tuple(
            (
                self.world.account(key).stake,
                NAMES.get(records.voter(address(key)).delegate, NOBODY),
            )
            for key in PEOPLE
        )

    def note(self) -> None:
        """Before a block: what an epoch that it begins begins with."""
        epoch = (self.world.height + 1) // self.world.params.credits.epoch_blocks
        self.begun.setdefault(epoch, self.now())

    def check(self) -> None:
        records = self.world.records
        governance = records.governance
        assert len(governance.live) <= MOST_LIVE
        assert len(governance.schedule) <= MOST_SCHEDULE
        past = Counter(
            one.tier
            for one in governance.live
            if one.subject == Subject.MODEL and one.step not in OPEN
        )
        assert all(count == 1 for count in past.values())
        assert sum(tier.share for tier in records.tiers.tiers) == ONE
        for live in governance.live:
            assert live.next > self.world.height
            if live.step in OPEN:
                self._check_tally(live.id)
        for at, key in enumerate(PEOPLE):
            now = self.now()
            pot = sum(stake for stake, delegate in now if delegate == at)
            assert records.voter(address(key)).pot == pot

    def _check_tally(self, txid: Txid) -> None:
        proposal = self.world.proposal(txid)
        said, begun = self.said[txid], self.begun[proposal.epoch]
        counted = [0, 0, 0]
        for at, (stake, delegate) in enumerate(begun):
            # One's own word, or else one's delegate's; it goes no further.
            choice = said.get(at, said.get(delegate))
            if choice is not None:
                counted[choice] += stake
        assert (proposal.no, proposal.yes, proposal.abstain) == tuple(counted)
        assert sum(counted) <= proposal.stake


@dataclass(frozen=True)
class Place:
    """Where a branch may begin: what a node that undid its blocks has, and what was said there."""

    state: State
    registry: TierRegistry
    schedule: tuple[Scheduled, ...]
    said: dict[Txid, dict[int, int]]

    @classmethod
    def of(cls, players: "Players") -> "Place":
        world, said = players.world, deepcopy(players.hand.said)
        return cls(world.state, world.registry, world.schedule, said)


class Players:
    """Three holders and a miner who do something in most blocks, by chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.world = DaoWorld()
        self.hand = ByHand(self.world)
        self.names = 0
        self.confirmed: Counter[str] = Counter()
        self.places: list[Place] = [Place.of(self)]
        """By height."""
        self.branches = 0

    def run(self, blocks: int) -> None:
        for key, amount in zip(PEOPLE, (600, 300, 100), strict=True):
            self.block(key, Stake(amount * COIN))
        # Some plays have loyal miners, some do not.
        loyal = self.chance.choice((0.2, 0.5, 1.0))
        while self.world.height < blocks:
            if self.chance.random() < 0.02:
                self.leave(self.chance.randrange(1, self.world.params.limits.undo_depth + 1))
            who = self.chance.choice(PEOPLE)
            self.block(*(self.vote() or self.act(who)), fresh=self.chance.random() < loyal)

    def block(self, who: KeyPair, payload: Payload | None = None, *, fresh: bool = True) -> None:
        """A block of one transaction, if the rules allow it."""
        self.hand.note()
        tier = self.chance.choice(self.world.registry.tiers).id
        sent = [] if payload is None else [(who, payload)]
        try:
            txids = self.world.block(*sent, tier=tier, fresh=fresh)
        except RejectedTransactionViolation:
            txids = self.world.block(tier=tier, fresh=fresh)
            payload = None
        for one in self.world.trail[-1][1].confirmed:
            self.confirmed[type(one.act).__name__] += 1
        if isinstance(payload, Propose):
            self.hand.said[txids[0]] = {}
        elif isinstance(payload, Vote):
            self.hand.said[payload.proposal][NAMES[address(who)]] = payload.choice
        self.hand.check()
        self._check_horizons()
        self.places.append(Place.of(self))

    def leave(self, depth: int) -> None:
        """Take the last blocks back, one by one, and go on as another branch."""
        world = self.world
        depth = min(depth, world.height)
        for _ in range(depth):
            before, execution = world.trail.pop()
            world.state = world.state.with_changes(taken_back(execution.changes))
            world.height -= 1
            assert world.state.root == before.root
        place = self.places[world.height]
        assert world.state.root == place.state.root
        world.registry, world.schedule = place.registry, place.schedule
        del self.places[world.height + 1 :]
        # Of what a snapshot's epoch began with, that may be seen otherwise now.
        length = world.params.credits.epoch_blocks
        begun = self.hand.begun
        self.hand.begun = {at: begun[at] for at in begun if at * length <= world.height}
        self.hand.said = deepcopy(place.said)
        self.branches += depth > 0

    def _check_horizons(self) -> None:
        """Whoever executed this branch up to x knows the tiers of this height, if x + L does."""
        height, tiers = self.world.height, self.world.records.tiers
        for at in range(max(0, height - RULES.horizon), height):
            place = self.places[at]
            assert registry_at(place.registry, place.schedule, height) == tiers

    def vote(self) -> tuple[KeyPair, Payload] | None:
        opened = [one for one in self.world.records.governance.live if one.step in OPEN]
        if not opened or self.chance.random() < 0.3:
            return None
        choice = self.chance.choice((0, 1, 1, 1, 1, 2))
        return self.chance.choice(PEOPLE), Vote(self.chance.choice(opened).id, choice)

    def act(self, who: KeyPair) -> tuple[KeyPair, Payload | None]:
        live = self.world.records.governance.live
        models = [one for one in live if one.subject == Subject.MODEL]
        awaited = [one for one in models if one.step == Step.CHECK]
        whom = self.chance.choice((None, *PEOPLE))
        match self.chance.randrange(10):
            case 0:
                return who, Stake(self.chance.randrange(1, 200) * COIN)
            case 1:
                return who, Unstake(self.chance.randrange(1, 200) * COIN)
            case 2:
                return who, Delegate(b"" if whom is None else address(whom))
            case 3 | 4 if awaited:
                return MINER, proving(self.chance.choice(awaited).id, self.world.height)
            case 5 if models:
                return who, proposing(RollbackBody(self.chance.choice(models).id), 300 * COIN)
            case 6 | 7:
                return who, proposing(self.proposed(), 300 * COIN)
        return who, None

    def proposed(self) -> Body:
        self.names += 1
        tier = self.chance.randrange(4)
        is_new = self.world.registry.find(tier) is None
        match self.chance.randrange(8):
            case 0:
                fee = self.world.context().params.limits.fee_per_byte
                return change_body(settings=[(12, self.chance.choice((2 * fee, max(1, fee // 2))))])
            case 1 | 2:
                return change_body(retire=(self.chance.choice(self.world.registry.tiers).id,))
            case 3:
                return change_body(omegas=[(tier, ONE + self.chance.randrange(-9_000, 9_000))])
        return model_body(self.names % 255 + 1, tier=tier, share=4096 if is_new else 0)

    def finish(self) -> None:
        """Whatever is under way ends, and all states are led back."""
        rules = self.world.params.governance
        longest = rules.vote_window + 3 * rules.vote_tail + rules.grace + rules.postponement
        for _ in range(longest + rules.trial + 30):
            self.block(MINER)
        assert self.world.records.governance.live == ()
        assert self.world.schedule == ()
        state = self.world.state
        for before, execution in reversed(self.world.trail):
            state = state.with_changes(taken_back(execution.changes))
            assert state.root == before.root


def played(seeds: range, blocks: int) -> Counter[str]:
    """What was confirmed in plays of these seeds, and how many branches were left."""
    confirmed: Counter[str] = Counter()
    for seed in seeds:
        players = Players(Random(seed))
        players.run(blocks)
        players.finish()
        confirmed += players.confirmed
        confirmed["branches"] += players.branches
    return confirmed


def test_whatever_is_played_nothing_counts_twice_and_no_coin_is_lost() -> None:
    confirmed = played(range(5), 300)
    # A play in which nothing happens would show nothing.
    assert confirmed["Activation"] >= 8
    assert min(confirmed[name] for name in ("Settlement", "Reversal", "Reshaping")) >= 2
    assert confirmed["branches"] >= 10


WHO = st.integers(0, len(PEOPLE) - 1)
COINS = st.integers(1, 700)
VOTES = st.tuples(st.just("vote"), WHO, st.integers(0, 3), st.integers(0, 2))
MOVES = st.one_of(
    VOTES,
    VOTES,
    st.tuples(st.just("stake"), WHO, COINS),
    st.tuples(st.just("unstake"), WHO, COINS),
    st.tuples(st.just("delegate"), WHO, st.sampled_from([NOBODY, 0, 1, 2])),
    st.tuples(st.just("model"), WHO),
    st.tuples(st.just("change"), WHO),
    st.tuples(st.just("wait"), st.integers(1, RULES.vote_window)),
    st.tuples(st.just("leave"), st.integers(1, REGTEST.limits.undo_depth)),
)


def make_move(players: Players, kind: str, *how: int) -> None:
    """One of the above, as far as there is something to do it with."""
    opened = [one.id for one in players.world.records.governance.live if one.step in OPEN]
    match kind, how:
        case "stake", (who, coins):
            players.block(PEOPLE[who], Stake(coins * COIN))
        case "unstake", (who, coins):
            players.block(PEOPLE[who], Unstake(coins * COIN))
        case "delegate", (who, to):
            players.block(PEOPLE[who], Delegate(b"" if to == NOBODY else address(PEOPLE[to])))
        case "model", (who,):
            players.names += 1
            players.block(PEOPLE[who], proposing(model_body(players.names), 30 * COIN))
        case "change", (who,):
            body = change_body(settings=[(12, 2 * REGTEST.limits.fee_per_byte)])
            players.block(PEOPLE[who], proposing(body, 30 * COIN))
        case "vote", (who, which, choice) if opened:
            players.block(PEOPLE[who], Vote(opened[which % len(opened)], choice))
        case "wait", (blocks,):
            for _ in range(blocks):
                players.block(MINER)
        case "leave", (depth,):
            players.leave(depth)


@given(st.lists(MOVES, min_size=8, max_size=30))
@settings(max_examples=12)
def test_votes_stakes_delegations_epochs_and_branches_in_any_order(
    moves: list[tuple],  # type: ignore[type-arg]
) -> None:
    # All have staked when an epoch begins, and two of them delegate.
    players = Players(Random(0))
    for who, coins in enumerate((600, 300, 100)):
        make_move(players, "stake", who, coins)
    make_move(players, "delegate", 1, 0)
    make_move(players, "delegate", 2, 1)
    make_move(players, "wait", 14)
    make_move(players, "model", 0)
    for move in moves:
        make_move(players, *move)
    players.finish()


@pytest.mark.soak
def test_a_thousand_longer_plays() -> None:
    played(range(1_000, 2_000), 1_000)
