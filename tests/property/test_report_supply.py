"""Whatever reporters, provers, voters and branches do, no bond of a report is lost or paid twice.

``DaoWorld`` counts all coins by going through all records after each block, and takes each block
back to an equal root. Here the last blocks are left for another branch now and then, on which other
items are drawn and others are first; what each branch has made is counted by hand.
"""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.dao.benchmarks.standing import STANDS
from esper.dao.records import MAX_REPORTS
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.vm.governance.delegate import Delegate
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.vm.unstake import Unstake
from tests.support.branching_world import BranchingWorld
from tests.support.dao_world import RULES, model_body
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address
from tests.unit.vm.governance.reports.test_reports_by_block import (
    BOND,
    PARAMS,
    RIGHT,
    SUITE,
    item_of,
    reporting,
)

PEOPLE = (ALICE, BOB, CAROL)
FALSE = (not RIGHT[0], *RIGHT[1:])
UNDO = REGTEST.limits.undo_depth
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("report"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("prove"), st.integers(0, 7), st.integers(0, 4)),
        st.tuples(st.just("refute"), st.integers(0, 7), st.integers(0, 4)),
        st.tuples(st.just("vote"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("stake"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("leave"), st.integers(1, UNDO), st.integers(1, 9)),
    ),
    min_size=6,
    max_size=30,
)


def moved(world: BranchingWorld, asked: Txid, kind: str, which: int, how: int) -> None:
    """One move, if the rules let it."""
    live = world.live(asked)
    places = () if live is None else world.proposal(asked).reports
    picked = places[which % len(places)].id if places else Txid(bytes(64))
    found = world.records.report(picked)
    match kind:
        case "report":
            right = RIGHT if how < 2 else FALSE
            world.block((PEOPLE[which], reporting(asked, right, suite=how % 2)))
        case "prove" if found is not None and found.sample:
            index = found.sample[how % len(found.sample)]
            world.block((CAROL, item_of(picked, index, right=RIGHT[index])))
        case "refute" if found is not None:
            world.block((PEOPLE[which % 3], item_of(picked, how, right=RIGHT[how])))
        case "vote":
            world.vote(asked, PEOPLE[which], choice=how)
        case "stake":
            whom = PEOPLE[(which + 1) % 3]
            payloads: tuple[Payload, ...] = (
                *(Stake(COIN), Unstake(COIN)),
                Delegate(address(whom)),
            )
            world.block((PEOPLE[which], payloads[how]))
        case "wait":
            world.until(world.height + which)
        case "leave":
            world.leave(max(world.height - which, 20), how)


def held_and_gone(world: BranchingWorld, asked: Txid) -> int:
    """Units of all bonds of reports on this branch: those that are held, and those settled."""
    live = world.live(asked)
    places = () if live is None else world.proposal(asked).reports
    found = [world.records.report(one.id) for one in places]
    assert all(one is not None for one in found)
    settled = [one for _, execution in world.trail for one in execution.settled]
    return sum(one.bond for one in found if one is not None) + sum(
        one.returned + one.burned for one in settled if one.proposal != asked
    )


def check_places(world: BranchingWorld, asked: Txid) -> None:
    if world.live(asked) is None:
        return
    proposal = world.proposal(asked)
    assert len(proposal.reports) <= MAX_REPORTS
    for place in proposal.reports:
        report = world.records.report(place.id)
        assert report is not None
        assert bool(report.standing) == (place.next == STANDS)
        assert not report.standing or report.is_proven
        assert place.next == STANDS or place.next > world.height
    if not proposal.final:
        standing = {one.suite for one in proposal.reports if one.next == STANDS}
        assert set(proposal.standing) == standing


@given(MOVES)
@settings(max_examples=25, deadline=None)
def test_bonds_of_reports_go_somewhere_and_only_once_on_every_branch(
    moves: list[tuple[str, int, int]],
) -> None:
    world = BranchingWorld(PARAMS)
    world.stake(600, 300, 100)
    world.until(20)
    asked = world.propose(model_body(suites=(SUITE.named,) * 2), bond=2 * COIN)
    opened = world.height
    made: dict[int, int] = {}
    """By height: reports that the block there has made, of this branch."""
    for kind, which, how in moves:
        before = world.height
        with suppress(RejectedTransactionViolation):
            if kind == "leave":
                moved(world, asked, kind, min(which, before - opened), how)
                made = {at: one for at, one in made.items() if at <= world.height}
            else:
                moved(world, asked, kind, which, how)
                if kind == "report":
                    made[world.height] = made.get(world.height, 0) + 1
        assert held_and_gone(world, asked) == BOND * sum(made.values())
        check_places(world, asked)
    world.until(world.height + RULES.vote_window + 3 * RULES.vote_tail)
    assert held_and_gone(world, asked) == BOND * sum(made.values())
    live = world.live(asked)
    assert live is None or world.proposal(asked).reports == ()
