"""Snapshots and votes against a model that keeps the state of every epoch and counts by hand."""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.dao.snapshot import RING, Cast, Held, Voter, held_at, noted
from esper.dao.tally import NOT_VOTED, Choice, Tally, voted, weight

PEOPLE = [bytes([1, name]) + bytes(31) for name in range(4)]
NOBODY = b""


@dataclass
class Chain:
    """Stake, delegates and pots as the state has them, with every epoch's beginning kept beside."""

    epoch: int = 10
    stakes: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(PEOPLE, 0))
    voters: dict[bytes, Voter] = field(default_factory=lambda: dict.fromkeys(PEOPLE, Voter()))
    begun: dict[int, dict[bytes, Held]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begun[self.epoch] = self.now()

    def now(self) -> dict[bytes, Held]:
        """Everybody, by plain counting."""
        return {
            who: Held(
                self.stakes[who],
                self.voters[who].delegate,
                sum(self.stakes[x] for x in PEOPLE if self.voters[x].delegate == who),
            )
            for who in PEOPLE
        }

    def next_epoch(self, by: int) -> None:
        for _ in range(by):
            self.epoch += 1
            self.begun[self.epoch] = self.now()

    def _note(self, who: bytes) -> None:
        self.voters[who] = noted(self.voters[who], self.stakes[who], self.epoch)

    def _move_pot(self, who: bytes, units: int) -> None:
        if who != NOBODY:
            self._note(who)
            voter = self.voters[who]
            self.voters[who] = replace(voter, pot=voter.pot + units)

    def stake(self, who: bytes, units: int) -> None:
        self._note(who)
        self._move_pot(self.voters[who].delegate, units - self.stakes[who])
        self.stakes[who] = units

    def delegate(self, who: bytes, to: bytes) -> None:
        if to == who:
            return
        self._note(who)
        self._move_pot(self.voters[who].delegate, -self.stakes[who])
        self._move_pot(to, self.stakes[who])
        self.voters[who] = replace(self.voters[who], delegate=to)


WHO = st.sampled_from(PEOPLE)
MOVES = st.one_of(
    st.tuples(st.just("stake"), WHO, st.integers(0, 100)),
    st.tuples(st.just("delegate"), WHO, st.sampled_from([NOBODY, *PEOPLE])),
    st.tuples(st.just("epoch"), st.integers(1, 3)),
)


def after(moves: list[tuple]) -> Chain:  # type: ignore[type-arg]
    chain = Chain()
    for kind, *arguments in moves:
        if kind == "stake":
            chain.stake(*arguments)
        elif kind == "delegate":
            chain.delegate(*arguments)
        else:
            chain.next_epoch(*arguments)
    return chain


@given(st.lists(MOVES, max_size=40))
def test_a_ring_answers_for_the_last_four_epochs(moves: list[tuple]) -> None:  # type: ignore[type-arg]
    chain = after(moves)
    for who in PEOPLE:
        voter = chain.voters[who]
        assert len(voter.ring) <= RING
        for epoch in range(max(10, chain.epoch - RING + 1), chain.epoch + 1):
            assert held_at(voter, chain.stakes[who], epoch) == chain.begun[epoch][who]


@given(
    st.lists(MOVES, max_size=20),
    st.permutations(PEOPLE),
    st.lists(st.sampled_from(list(Choice)), min_size=4, max_size=4),
    st.integers(0, 4),
)
@settings(max_examples=200)
def test_every_unit_of_stake_counts_once_for_what_its_owner_or_his_delegate_said(
    moves: list[tuple],  # type: ignore[type-arg]
    order: list[bytes],
    choices: list[Choice],
    voting: int,
) -> None:
    chain = after(moves)
    held = chain.now()
    casts = {who: Cast(1, NOT_VOTED, 0) for who in PEOPLE}
    tally = Tally(0, 0, 0)
    said = dict(zip(order[:voting], choices, strict=False))
    for who, choice in said.items():
        delegate = held[who].delegate
        of_delegate = casts[delegate].choice if delegate else NOT_VOTED
        tally, grown = voted(tally, held[who], casts[who].override, choice, of_delegate)
        casts[who] = replace(casts[who], choice=choice)
        if grown:
            other = casts[delegate]
            casts[delegate] = replace(other, override=other.override + grown)
        # Nobody is counted below nothing, in any order.
        assert min(tally.yes, tally.no, tally.abstain) >= 0

    expected = dict.fromkeys(Choice, 0)
    for who in PEOPLE:
        speaker = who if who in said else held[who].delegate
        if speaker in said:
            expected[said[speaker]] += held[who].stake
    assert tally == Tally(expected[Choice.YES], expected[Choice.NO], expected[Choice.ABSTAIN])
    assert tally.cast <= sum(one.stake for one in held.values())


def test_the_pages_example() -> None:
    _, y = PEOPLE[:2]
    of_x, of_y = Held(50, y, 0), Held(30, NOBODY, 70)
    tally, grown = voted(Tally(0, 0, 0), of_y, 0, Choice.YES, NOT_VOTED)
    assert (tally, grown) == (Tally(100, 0, 0), 0)
    assert voted(tally, of_x, 0, Choice.NO, Choice.YES) == (Tally(50, 50, 0), 50)
    tally, grown = voted(Tally(0, 0, 0), of_x, 0, Choice.NO, NOT_VOTED)
    assert (tally, grown) == (Tally(0, 50, 0), 50)
    assert weight(of_y, grown) == 50
    assert voted(tally, of_y, grown, Choice.YES, NOT_VOTED)[0] == Tally(50, 50, 0)
