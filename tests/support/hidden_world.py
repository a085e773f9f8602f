"""A chain with hidden sets and a model that a round of them measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from esper.crypto.signing import KeyPair
from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.hidden.hidden_set import HiddenSet
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from esper.vm.settled_bond import SettledBond
from tests.support.dao_world import RULES, DaoWorld, model_body
from tests.support.hidden_sets import QUESTIONS, RIGHT, Hidden, opens
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address

HALF = 500
PARAMS = replace(REGTEST, governance=replace(RULES, hidden_threshold_per_mille=HALF))
CURATORS = (ALICE, BOB, CAROL)
D = RULES.round_window
FEE = COIN // 4


def begun(
    *committed: Hidden,
    params: NetworkParameters = PARAMS,
    make: Callable[[NetworkParameters], DaoWorld] = DaoWorld,
) -> tuple[DaoWorld, list[Txid]]:
    """A world with stakes, and these sets of as many curators in turn."""
    world = make(params)
    world.stake(600, 300, 100)
    sets = [
        txid
        for at, one in enumerate(committed)
        for txid in world.block((CURATORS[at % 3], one.claim()))
    ]
    return world, sets


def three() -> tuple[DaoWorld, list[Txid]]:
    return begun(QUESTIONS, QUESTIONS, QUESTIONS)


def passed(world: DaoWorld, name: int = 1) -> Txid:
    """A model whose vote has closed, one block before its first draw."""
    txid = world.propose(model_body(name), bond=3 * COIN)
    world.vote(txid, ALICE, BOB)
    world.until(world.proposal(txid).close + RULES.draw_depth)
    return txid


def in_round(world: DaoWorld, name: int = 1) -> Txid:
    """A model whose first round has drawn."""
    txid = passed(world, name)
    world.block()
    return txid


def activated(world: DaoWorld, txid: Txid) -> None:
    """Go on to the draw behind the activation of a model that waits to be checked."""
    world.make_ready(txid)
    world.until(world.proposal(txid).active + RULES.draw_depth + 1)


def curator_of(found: HiddenSet) -> KeyPair:
    return next(key for key in CURATORS if address(key) == found.curator)


def open_all(
    world: DaoWorld,
    sets: Sequence[Txid],
    answers: Mapping[Txid, ShownAnswer] | None = None,
    made: Hidden = QUESTIONS,
) -> None:
    """A block that opens all that was drawn of these sets, with right answers or those given."""
    sent = []
    for set_id in sets:
        found = world.records.hidden_set(set_id)
        body = made.proof(found.drawn, (answers or {}).get(set_id, RIGHT))
        sent.append((curator_of(found), opens(set_id, body)))
    world.block(*sent)


def settled(world: DaoWorld, *ids: Txid) -> list[SettledBond]:
    """What the last block settled of these."""
    return [one for one in world.trail[-1][1].settled if one.proposal in ids]
