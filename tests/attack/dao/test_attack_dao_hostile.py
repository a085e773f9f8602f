"""Bodies with bytes changed and numbers from the edges: a violation, or a proposal that is kept."""

from collections import Counter
from dataclasses import replace
from random import Random

from esper.dao.bodies import BODIES, Body, ChangeBody, ModelBody, Moved, RollbackBody
from esper.dao.registry import Puzzle
from esper.dao.settings import SETTINGS
from esper.primitives.codec import encode
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.vm.execute import TransactionRun
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.prove import Prove
from esper.vm.governance.vote import Vote
from esper.vm.payload import Payload
from tests.support.dao_world import DaoWorld, change_body, model_body, proving
from tests.support.vm_world import ALICE, COIN, address, make

SEED = 20
ROUNDS = 600
EDGES = (0, 1, 2, 255, 256, 65_535, 65_536, (1 << 17) - 1, (1 << 32) - 1, (1 << 63) - 1)


def edge(chance: Random, bits: int) -> int:
    return chance.choice([one for one in EDGES if one < 1 << bits])


def odd_model(chance: Random) -> ModelBody:
    """One with numbers of the edges in some places."""
    body = model_body(chance.randrange(3), tier=chance.choice((0, 1, 255)))
    names = ("sequences", "rows", "input_tokens", "max_answer")
    widths = dict(zip(names, (8, 16, 16, 8), strict=True))
    puzzle = {name: edge(chance, widths[name]) for name in names if chance.random() < 0.2}
    changed = replace(
        body,
        puzzle=replace(body.puzzle, **puzzle),
        omega=chance.choice((body.omega, edge(chance, 64))),
        share=chance.choice((0, 1024, edge(chance, 17))),
    )
    if chance.random() < 0.3:
        changed = replace(changed, entry=replace(changed.entry, bank_size=edge(chance, 32)))
    assert isinstance(changed.puzzle, Puzzle)
    return changed


def odd_change(chance: Random) -> ChangeBody:
    key = chance.choice((*SETTINGS, 0, 19, 65_535))
    tier = chance.choice((0, 1, 255))
    body = change_body(retire=(tier,))
    return replace(
        body,
        retire=chance.choice(((), (tier,))),
        settings=(Moved(key, edge(chance, 63)),),
        shares=chance.choice(((), (Moved(tier, edge(chance, 17)),))),
        omegas=chance.choice(((), (Moved(tier, edge(chance, 63)),))),
        texts=chance.choice(((), ((),), ((bytes(64),),))),
    )


def written(body: Body) -> Propose:
    subject = {ModelBody: 1, ChangeBody: 2, RollbackBody: 3}[type(body)]
    return Propose(subject, 300 * COIN, encode(BODIES[subject], body))


def odd(chance: Random, live: Txid) -> Payload:
    """What a hostile sender may tell the DAO."""
    match chance.randrange(7):
        case 0:
            return written(odd_model(chance))
        case 1:
            return written(odd_change(chance))
        case 2:
            return Vote(chance.choice((live, Txid(bytes(64)))), chance.choice((0, 1, 2, 3, 255)))
        case 3:
            return Delegate(chance.choice((b"", bytes(33), address(ALICE), b"\x01")))
        case 4:
            return replace(proving(live, edge(chance, 32)), room=edge(chance, 32))
    sent = chance.choice((written(model_body()), written(change_body(retire=(0,)))))
    data = bytearray(sent.body)
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    data = data[: chance.choice((len(data), len(data), chance.randrange(len(data))))]
    if chance.random() < 0.2:
        return Prove(sent.subject, live, 0, bytes(data))
    return replace(sent, body=bytes(data), subject=chance.choice((sent.subject, 0, 3, 255)))


def test_whatever_the_dao_is_told_ends_in_a_violation_or_in_a_record() -> None:
    world = DaoWorld()
    world.stake(600, 300, 100)
    live = world.propose(model_body(7), bond=3 * COIN)
    chance, rules = Random(SEED), Counter[str]()
    for _ in range(ROUNDS):
        run = TransactionRun(world.state, world.context())
        sent = make(ALICE, odd(chance, live), world.account(ALICE).nonce)
        try:
            run.offer(sent)
        except TransactionViolation as violation:
            rules[type(violation).__name__] += 1
        else:
            rules[""] += 1
        run.result()
    # Rules of many kinds were reached, and some bodies were taken.
    assert len(rules) > 12
    assert rules[""] > 10
