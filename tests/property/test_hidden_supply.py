"""Whatever curators, a proposer and voters do with hidden sets, no coin is lost or made."""

from contextlib import suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.dao.bodies import RollbackBody
from esper.dao.hidden.hidden_set import MAX_SETS, HiddenSet
from esper.dao.hidden.openings import UNPROVEN, HiddenProof
from esper.dao.steps import Step
from esper.primitives.errors.block_errors import RejectedTransactionViolation
from esper.primitives.ids import Txid
from esper.vm.governance.proving.openings import IN_ROUND
from tests.support.bench_suites import item
from tests.support.dao_world import RULES, DaoWorld, model_body
from tests.support.hidden_sets import (
    QUESTIONS,
    RIGHT,
    SET_BOND,
    TOKENIZER,
    WRONG,
    Hidden,
    opens,
    withdrawal,
)
from tests.support.hidden_world import CURATORS, FEE, PARAMS, curator_of
from tests.support.vm_world import COIN

LONG = Hidden(tuple(item(prompt=(1,) * 300 + (at,)) for at in range(400)))
MADE = {one.tree.root: one for one in (QUESTIONS, LONG)}
SMALL = replace(PARAMS, governance=replace(PARAMS.governance, hidden_samples=3))

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("withdraw"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("open"), st.integers(0, 7), st.integers(0, 3)),
        st.tuples(st.just("propose"), st.integers(0, 2), st.integers(1, 2)),
        st.tuples(st.just("roll"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("vote"), st.integers(0, 2), st.integers(0, 1)),
        st.tuples(st.just("ready"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 12), st.just(0)),
    ),
    min_size=10,
    max_size=40,
)


def opened(found: HiddenSet, how: int) -> HiddenProof:
    """Some of what was drawn of a set: what waits first, or whatever there is."""
    made = MADE[found.root]
    waiting = [at for at in found.drawn if found.place(at) is not None]
    picked = (waiting or [0])[: 1 + how // 2] if how < 2 else list(found.drawn)
    answer = UNPROVEN if made is LONG else (RIGHT, WRONG)[how % 2]
    return made.proof(picked[:4], answer)


def moved(world: DaoWorld, kind: str, which: int, how: int) -> None:
    """One move, if the rules let it."""
    live = world.records.governance.live
    sets = world.records.sets_of(TOKENIZER)
    set_id = sets[which % len(sets)] if sets else Txid(bytes(64))
    found = world.records.find_set(set_id)
    match kind:
        case "commit":
            made = LONG if how == 3 else QUESTIONS
            world.block((CURATORS[which], made.claim(SET_BOND << how)))
        case "withdraw" if found is not None:
            world.block((curator_of(found), withdrawal(set_id)))
        case "open" if found is not None:
            world.block((curator_of(found), opens(set_id, opened(found, how))))
        case "propose":
            world.propose(model_body(how), sender=CURATORS[which], bond=9 * COIN)
        case "roll" if live:
            world.propose(RollbackBody(live[0].id), sender=CURATORS[which])
        case "vote" if live:
            world.vote(live[-1].id, CURATORS[which], choice=1 - how)
        case "ready" if live:
            world.make_ready(live[0].id)
        case "wait":
            world.until(world.height + which)


def check_sets(world: DaoWorld) -> None:
    """What always holds of the sets and their rounds."""
    sets = world.records.sets_of(TOKENIZER)
    assert len(sets) == len(set(sets)) <= MAX_SETS
    steps = {one.id: Step(one.step) for one in world.records.governance.live}
    for set_id in sets:
        found = world.records.hidden_set(set_id)
        assert len(set(found.used)) == len(found.used)
        assert found.bond >= SET_BOND
        assert not found.right & ~found.proven
        assert not found.proven & ~found.answered
        if found.is_idle:
            assert not found.drawn
            continue
        # Nothing is ever left in a round whose model has gone.
        assert steps[found.round[0]] in IN_ROUND | {Step.END}
        assert found.used[-len(found.drawn) :] == found.drawn
    for one in world.records.governance.live:
        held = world.proposal(one.id)
        assert held.fee in (0, FEE, FEE - FEE // 2)


@given(MOVES)
@settings(max_examples=12, deadline=None)
def test_bonds_and_fees_go_somewhere_and_only_once(moves: list[tuple[str, int, int]]) -> None:
    # Supply by all records, undo and the registry are checked by every block of the world.
    world = DaoWorld(SMALL)
    world.stake(600, 300, 100)
    world.block(*((key, QUESTIONS.claim()) for key in CURATORS))
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, *CURATORS[:2])
    world.until(world.proposal(txid).close + 2)
    for kind, which, how in moves:
        with suppress(RejectedTransactionViolation, StopIteration):
            moved(world, kind, which, how)
        check_sets(world)
    world.until(world.height + RULES.vote_window + RULES.grace + RULES.trial)
    check_sets(world)
