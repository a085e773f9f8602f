"""A gateway that lied keeps what it has, or an honest one loses something: tried by evidence."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from esper.crypto.signing import KeyPair
from esper.primitives.errors import dao_errors as e
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import Candidate
from esper.vm.execute import TransactionRun
from esper.vm.governance.proving.evidence import check_contradiction, taken_so_far
from esper.vm.payload import Payload
from esper.vm.stake import Stake
from esper.vm.unstake import Unstake
from tests.support.dao_world import DaoWorld
from tests.support.evidence_cases import EOS, FALSE, TRUE, Accusing, accusing, shown
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MODEL, make
from tests.unit.vm.governance.test_dao_rules import refused

GATEWAY, ACCUSER = BOB, ALICE
UNBONDING = REGTEST.reward.unbonding
MOST_ROWS = REGTEST.governance.audit_rows
WORD = (1 << 32) - 1


def staked(coins: int = 100, penalty: int = 40) -> DaoWorld:
    governance = replace(REGTEST.governance, penalty=penalty * COIN)
    world = DaoWorld(replace(REGTEST, governance=governance))
    world.block((GATEWAY, Stake(coins * COIN)))
    return world


def test_a_false_answer_does_not_become_too_long_to_be_shown_false() -> None:
    """Longer than a proof may be: its beginning is enough."""
    world, prompt, lie = staked(), (5,) * 250, (8,) * 40
    whole = accusing(GATEWAY, *(7,) * 40, prompt=prompt, answer=lie)
    assert isinstance(refused(world, ACCUSER, whole.prove()), e.AuditRowsViolation)
    first = accusing(GATEWAY, 7, prompt=prompt, answer=lie)
    world.block((ACCUSER, first.prove()))
    assert world.account(GATEWAY).stake == 60 * COIN


def convicts(signed: Sequence[int], says: Sequence[int]) -> bool:
    """Whether what the model says, as far as it is shown, contradicts what was signed."""
    body = accusing(GATEWAY, answer=tuple(signed)).body
    try:
        check_contradiction(replace(body, answer=shown(*says)), MODEL, MOST_ROWS)
    except e.ReceiptViolation:
        return False
    return True


TOKENS = st.sampled_from((7, 8))
SAYINGS = st.tuples(st.lists(TOKENS, max_size=4), st.booleans())


@given(SAYINGS, st.lists(st.sampled_from((7, 8, EOS)), min_size=1, max_size=6))
def test_who_signed_what_the_model_says_is_never_convicted_and_others_are(
    saying: tuple[list[int], bool], signed: list[int]
) -> None:
    # All that the model ever says, up to its end; or more than anybody asks for here.
    begun, ends = saying
    says = (*begun, EOS) if ends else (*begun, *(7,) * 6)
    beginnings = [says[:size] for size in range(1, len(says) + 1)]
    honest = tuple(signed) in beginnings
    assert any(convicts(signed, one) for one in beginnings) == (not honest)


def test_stake_that_leaves_right_behind_the_signature_is_reached_in_the_last_block() -> None:
    world = staked()
    world.until(4)
    world.block((GATEWAY, Unstake(100 * COIN)))
    release = world.height + UNBONDING
    evidence = accusing(GATEWAY, height=4, unbondings=((release, 0),))
    world.until(4 + UNBONDING - 1)
    before = world.state, world.height
    world.block((ACCUSER, evidence.prove()))
    assert taken_so_far(evidence.target, world.ledger) == 40 * COIN
    # One block later it is released, and evidence no more.
    world.state, world.height = before
    world.block()
    found = refused(world, ACCUSER, evidence.prove())
    assert isinstance(found, e.EvidenceOldViolation)
    world.block()
    assert world.height == release
    assert world.ledger.unbonding(release, 0) is None


def test_a_stake_split_into_many_unbondings_is_taken_four_at_a_time() -> None:
    """Not prevented: each accusation needs a proof of its own, for the names are in its body."""
    world = staked(coins=18, penalty=18)
    world.block(*((GATEWAY, Unstake(2 * COIN)) for _ in range(9)))
    release = world.height + UNBONDING
    height, taken = world.height, []
    for first in range(0, 9, 4):
        names = tuple((release, at) for at in range(first, min(first + 4, 9)))
        evidence = accusing(GATEWAY, height=height, unbondings=names)
        world.block((ACCUSER, evidence.prove()))
        taken.append(taken_so_far(evidence.target, world.ledger))
    assert taken == [8 * COIN, 16 * COIN, 18 * COIN]


def test_an_unbonding_can_be_named_before_it_is_made() -> None:
    """A gateway that unstakes in the very block, ahead of the accusation, gains nothing."""
    world = staked()
    release = world.height + 1 + UNBONDING
    evidence = accusing(GATEWAY, unbondings=((release, 0),))
    world.block((GATEWAY, Unstake(100 * COIN)), (ACCUSER, evidence.prove()))
    left = world.ledger.unbonding(release, 0)
    assert left is not None
    assert left.amount == 60 * COIN


def test_another_branch_takes_it_anew_and_only_once() -> None:
    world = staked()
    fork = world.state, world.height
    evidence = accusing(GATEWAY)
    world.block((ACCUSER, evidence.prove()))
    first = world.state.root
    world.state, world.height = fork
    assert taken_so_far(evidence.target, world.ledger) == 0
    world.block((ACCUSER, evidence.prove()))
    assert world.state.root == first
    assert isinstance(refused(world, CAROL, evidence.prove()), e.EvidenceTwiceViolation)


def offered(world: DaoWorld, *sent: tuple[KeyPair, Payload]) -> list[str]:
    """What a draft makes of them: the rule that each breaks; nothing else goes wrong."""
    run, told = TransactionRun(world.state, world.context()), []
    nonces: dict[bytes, int] = {}
    for key, payload in sent:
        nonce = nonces.setdefault(key.public, world.account(key).nonce)
        try:
            run.offer(make(key, payload, nonce))
        except TransactionViolation as violation:
            told.append(type(violation).__name__)
            continue
        nonces[key.public] += 1
        told.append("")
    run.result()
    return told


def test_two_accusers_in_one_block_and_one_who_comes_twice() -> None:
    world, evidence = staked(), accusing(GATEWAY)
    twice = (ACCUSER, evidence.prove())
    assert offered(world, twice, twice, (CAROL, evidence.prove())) == [
        "",
        "EvidenceTwiceViolation",
        "EvidenceTwiceViolation",
    ]
    world.block(twice)
    assert world.account(GATEWAY).stake == 60 * COIN


def test_numbers_from_the_edges_break_a_rule_or_take_nothing_wrong() -> None:
    world = staked()
    edge = (1 << 62) - 1
    plain = accusing(GATEWAY)
    spread = replace(
        plain.body,
        answer=replace(
            plain.body.answer,
            lists=tuple(
                (Candidate(token, sign * edge),)
                for token, sign in zip(TRUE, (1, -1, 0), strict=True)
            ),
        ),
    )
    far = accusing(GATEWAY, rewards=(0, WORD), unbondings=((0, 0), (WORD, WORD), (0, WORD)))
    cases = (
        (Accusing(plain.target, spread), ""),
        (accusing(GATEWAY, height=WORD), "EvidenceOldViolation"),
        (accusing(GATEWAY, prompt=(WORD,)), "ReceiptViolation"),
        (accusing(GATEWAY, max_tokens=65535, answer=FALSE), ""),
        (far, ""),
    )
    for evidence, rule in cases:
        assert offered(world, (ACCUSER, evidence.prove())) == [rule]
