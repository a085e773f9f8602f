"""Heights and verdicts with the page's numbers."""

import pytest

from esper.dao.steps import (
    Step,
    Subject,
    Verdict,
    check_height,
    counted,
    drawn,
    drawn_seed,
    extended,
    first_step,
    in_window,
    postponed,
    readiness,
    tally_of,
    trial_won,
    with_tally,
)
from esper.dao.tally import Tally
from esper.primitives.ids import Txid
from esper.primitives.networks import DEVNET, MAINNET, REGTEST
from tests.support.dao_proposals import proposal

DEV, MAIN, REG = DEVNET.governance, MAINNET.governance, REGTEST.governance


def seed(number: int) -> bytes:
    return number.to_bytes(64, "big")


def test_the_life_of_a_model_on_devnet() -> None:
    assert first_step(Subject.MODEL, 200, DEV) == (Step.TAIL, 226, 230)
    assert first_step(Subject.CHANGE, 200, DEV) == (Step.TAIL, 226, 230)
    assert first_step(Subject.ROLLBACK, 261, DEV) == (Step.CLOSE, 276, 276)
    scheduled = drawn(proposal(final=230), seed(1007), DEV)
    assert scheduled.active == 337
    assert check_height(scheduled, DEV) == 277
    window = [h for h in range(200, 300) if in_window(277, h, DEV)]
    assert (window[0], window[-1], len(window)) == (257, 276, 20)
    later = postponed(scheduled, DEV)
    assert (later.active, check_height(later, DEV)) == (367, 307)


def test_activation_heights_of_other_networks() -> None:
    assert drawn(proposal(final=500_000), seed(720 * 9 + 345), MAIN).active == 522_665
    assert drawn(proposal(final=32), seed(2**511 + 77), REG).active == 64


def test_the_seed_is_of_the_beacon_and_the_proposal() -> None:
    a, b = Txid(bytes(64)), Txid(bytes([1]) * 64)
    seeds = {drawn_seed(bytes(64), a), drawn_seed(bytes(64), b), drawn_seed(b"\1" * 64, a)}
    assert len(seeds) == 3


def test_a_swing_moves_the_close_three_times() -> None:
    one = proposal(close=230, ahead=0)
    for turn in range(3):
        moved = extended(one, not one.ahead, DEV)
        assert moved is not None
        assert (moved.close, moved.extensions) == (230 + 4 * (turn + 1), turn + 1)
        assert moved.ahead == 1 - one.ahead
        one = moved
    assert extended(one, not one.ahead, DEV) is None


@pytest.mark.parametrize("ahead", [0, 1])
def test_without_a_swing_the_close_is_final(ahead: int) -> None:
    assert extended(proposal(close=230, ahead=ahead), bool(ahead), DEV) is None


@pytest.mark.parametrize(
    ("seen", "ready", "verdict"),
    [
        (20, 9, Verdict.POSTPONED),
        (20, 10, Verdict.CONFIRMED),
        (1, 1, Verdict.CONFIRMED),
        (1, 0, Verdict.POSTPONED),
    ],
)
def test_half_of_the_tiers_blocks_make_a_model_ready(
    seen: int, ready: int, verdict: Verdict
) -> None:
    assert readiness(proposal(seen=seen, ready=ready), 0, DEV) is verdict


@pytest.mark.parametrize(
    ("seen", "ready", "verdict"),
    [(20, 5, Verdict.CONFIRMED), (20, 6, Verdict.CONFIRMED), (24, 5, Verdict.ENDED)],
)
def test_a_quarter_does_after_a_postponement_and_then_it_ends(
    seen: int, ready: int, verdict: Verdict
) -> None:
    assert readiness(proposal(seen=seen, ready=ready, postponed=1), 0, DEV) is verdict


@pytest.mark.parametrize(("ready", "verdict"), [(44, Verdict.POSTPONED), (45, Verdict.CONFIRMED)])
def test_a_new_tier_owes_half_of_its_shares_blocks(ready: int, verdict: Verdict) -> None:
    assert readiness(proposal(ready=ready), 8_192, MAIN) is verdict


def test_nobody_ready_is_never_enough() -> None:
    assert readiness(proposal(), 0, MAIN) is Verdict.POSTPONED
    assert readiness(proposal(postponed=1), 0, MAIN) is Verdict.ENDED


def test_counts_and_what_a_postponement_forgets() -> None:
    one = counted(counted(counted(proposal(), True, False), False, True), True, True)
    assert (one.seen, one.ready) == (2, 2)
    later = postponed(one, DEV)
    assert (later.seen, later.ready, later.postponed) == (0, 0, 1)


@pytest.mark.parametrize(
    ("seen", "fresh", "previous", "won"),
    [
        (20, 9, True, False),
        (20, 10, True, True),
        (0, 0, True, True),
        (20, 0, False, True),
    ],
)
def test_the_trial(seen: int, fresh: int, previous: bool, won: bool) -> None:
    assert trial_won(proposal(seen=seen, ready=fresh), previous) is won


def test_votes_in_a_record() -> None:
    tally = Tally(5, 3, 1)
    assert tally_of(with_tally(proposal(), tally)) == tally
