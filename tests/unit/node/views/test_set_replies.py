"""Hidden sets and rounds as the RPC shows them: each state, who opened what, what it came to."""

from dataclasses import replace

import pytest

from esper.dao.bodies import RollbackBody
from esper.node.views.dao.round_replies import rounds_reply
from esper.node.views.dao.set_replies import hidden_sets, set_named
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import BlockId, Txid
from esper.rpc import errors as e
from esper.rpc import schema as s
from tests.support.dao_world import RULES, change_body, model_body, proposing
from tests.support.hidden_sets import (
    QUESTIONS,
    SET_BOND,
    TOKENIZER,
    WRONG,
    Hidden,
    opens,
    questions,
    withdrawal,
)
from tests.support.hidden_world import (
    CURATORS,
    FEE,
    PARAMS,
    D,
    activated,
    begun,
    in_round,
    open_all,
    passed,
)
from tests.support.report_world import ReportWorld
from tests.support.vm_world import ALICE, BOB, COIN, address

HALF = FEE // 2


def world_of(*committed: Hidden) -> tuple[ReportWorld, list[Txid]]:
    world, sets = begun(*committed, make=ReportWorld)
    assert isinstance(world, ReportWorld)
    return world, sets


def three() -> tuple[ReportWorld, list[Txid]]:
    return world_of(QUESTIONS, QUESTIONS, QUESTIONS)


def shown(world: ReportWorld, set_id: Txid) -> s.SetReply:
    return set_named(set_id.hex(), world.sight, world.history).set


def rounds(world: ReportWorld, proposal: Txid) -> list[s.RoundReply]:
    return rounds_reply(proposal.hex(), world.sight, world.history).rounds


def listed(world: ReportWorld) -> s.TokenizerReply:
    (found,) = hidden_sets(None, world.sight, world.history).tokenizers
    return found


def text(key: object) -> str:
    return address_text(address(key), PARAMS)  # type: ignore[arg-type]


def test_a_set_from_its_claim_to_its_round() -> None:
    world, sets = three()
    found = shown(world, sets[1])
    assert (found.id, found.tokenizer, found.root) == (
        sets[1].hex(),
        TOKENIZER.hex(),
        QUESTIONS.tree.root.hex(),
    )
    assert (found.curator, found.items, found.state, found.used) == (text(BOB), 200, "idle", 0)
    assert (found.bond, found.made, found.drawn) == (str(SET_BOND), world.height - 1, [])
    assert (found.proposal, found.model_id, found.judged) == (None, None, None)
    txid = passed(world)
    assert shown(world, sets[1]).state == "awaited"
    world.block()
    drew = world.height
    found = shown(world, sets[1])
    record = world.records.hidden_set(sets[1])
    assert (found.state, found.used, found.judged) == ("drawn", 2, drew + D)
    assert (found.proposal, found.model_id) == (
        txid.hex(),
        model_body(1).entry.model_id.hex(),
    )
    assert found.drawn == [s.DrawnItem(one, False, False, False) for one in record.drawn]
    (opening,) = world.block((BOB, opens(sets[1], QUESTIONS.proof(record.drawn[1:]))))
    assert shown(world, sets[1]).drawn == [
        s.DrawnItem(record.drawn[0], False, False, False),
        s.DrawnItem(record.drawn[1], True, True, True, opening.hex()),
    ]


def test_places_and_the_bond_of_one() -> None:
    world, sets = three()
    found = hidden_sets(None, world.sight, world.history)
    assert (found.least_items, found.most_draws, found.samples) == (128, 64, 2)
    place = listed(world)
    assert (place.tokenizer, place.places, place.least_bond) == (TOKENIZER.hex(), 5, str(SET_BOND))
    assert [one.id for one in place.sets] == [one.hex() for one in sets]
    assert PARAMS.model.model_id.hex() in place.models
    for at in range(5):
        world.block((ALICE, QUESTIONS.claim(SET_BOND + at)))
    place = listed(world)
    assert (place.places, place.least_bond) == (0, str(2 * SET_BOND))
    passed(world)
    assert listed(world).least_bond is None


def test_a_tokenizer_that_no_model_reads_is_asked_for_by_name() -> None:
    other = Hidden(questions(), tokenizer=bytes([1]) * 64)
    world, (set_id,) = world_of(other)
    assert listed(world).sets == []
    (found,) = hidden_sets("01" * 64, world.sight, world.history).tokenizers
    assert ([one.id for one in found.sets], found.models) == ([set_id.hex()], [])
    assert shown(world, set_id).tokenizer == "01" * 64
    with pytest.raises(e.RpcError, match="no hidden set"):
        set_named(set_id.hex()[:16], world.sight, world.history)


def test_what_became_of_sets() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets[:2])
    world.until(world.height + D)
    silent = shown(world, sets[2])
    assert (silent.state, silent.returned, silent.burned) == ("ended", "0", str(SET_BOND))
    assert (silent.earned, silent.items, silent.root) == ("0", 200, "")
    paid = shown(world, sets[0])
    assert (paid.state, paid.earned, paid.bond) == ("awaited", str(2 * (HALF // 4)), str(SET_BOND))
    activated(world, txid)
    world.until(world.height + 1)
    assert world.records.hidden_set(sets[0]).is_idle, "two are too few"
    world.block((ALICE, withdrawal(sets[0])))
    back = shown(world, sets[0])
    assert (back.state, back.returned, back.burned) == ("ended", str(SET_BOND), "0")
    assert back.earned == str(2 * (HALF // 4))
    assert [one.state for one in listed(world).sets] == ["ended", "ended", "idle"]


def test_a_set_of_a_model_that_was_taken_back_is_held() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets)
    world.until(world.height + D)
    activated(world, txid)
    (rollback,) = world.block((BOB, proposing(RollbackBody(txid))))
    world.vote(rollback, ALICE, BOB)
    found = shown(world, sets[0])
    assert (found.state, found.judged) == ("held", None)


def test_a_round_to_come_says_what_the_sets_of_now_would_make_of_it() -> None:
    world, _ = world_of(QUESTIONS, QUESTIONS)
    txid = world.propose(model_body(), bond=3 * COIN)
    first, second = rounds(world, txid)
    assert (first.round, first.state, first.height) == (1, "to-come", None)
    assert first.words == (
        "with the sets that are there now it would be unjudged: 2 hidden sets, a round needs 3"
    )
    assert (second.round, second.state, second.height) == (2, "to-come", None)
    world.block((ALICE, QUESTIONS.claim()))
    assert rounds(world, txid)[0].words == "it would draw of 3 sets that are there now"
    found = rounds_reply(txid.hex()[:8], world.sight, world.history)
    assert (found.number, found.pays) == (1, str(HALF))
    world.vote(txid, ALICE)
    world.until(world.proposal(txid).close)
    assert rounds(world, txid)[0].height == world.height + RULES.draw_depth + 1


def test_a_round_that_is_open() -> None:
    world, sets = three()
    txid = in_round(world)
    drew = world.height
    assert rounds(world, txid)[0].words == (
        f"6 drawn items are to be opened and proven before block {drew + D}"
    )
    open_all(world, sets[:2], {sets[0]: WRONG})
    first = rounds(world, txid)[0]
    assert (first.state, first.height, first.median) == ("open", drew + D, None)
    assert first.words.endswith("the lower median of those that are open is 0/1")
    assert first.words.startswith("2 drawn items are")
    assert [one.complete for one in first.sets] == [True, True, False]
    assert [one.curator for one in first.sets] == [text(one) for one in CURATORS]


def test_a_round_that_was_judged_and_one_behind_it() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets, {sets[0]: WRONG})
    opened = world.height
    world.until(world.height + D - 1)
    first, second = rounds(world, txid)
    assert (first.state, first.height, first.median) == ("judged", opened + D - 1, "1/1")
    assert first.words == ("judged: the lower median of 3 sets is 1/1, not below 500 thousandths")
    assert (first.rollback, first.threshold) == (None, 500)
    assert [one.earned for one in first.sets] == [str(2 * (HALF // 6))] * 3
    assert [one.right for one in first.sets[0].drawn] == [False, False]
    assert all(item.txid for one in first.sets for item in one.drawn)
    assert second.state == "to-come"
    assert second.height == world.proposal(txid).active + RULES.draw_depth + 1
    activated(world, txid)
    open_all(world, sets)
    live = world.live(txid)
    assert live is not None
    world.until(live.next)
    found = rounds_reply(txid.hex(), world.sight, world.history)
    assert [one.state for one in found.rounds] == ["judged", "judged"]
    assert (found.pays, found.rounds[1].median) == ("0", "1/1")


def test_a_round_that_opened_a_vote_says_which() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets, dict.fromkeys(sets, WRONG))
    world.until(world.height + D - 1)
    first = rounds(world, txid)[0]
    (rollback,) = (one.id.hex() for one in world.records.governance.live if one.subject == 3)
    assert (first.rollback, first.median) == (rollback, "0/1")
    assert first.words.endswith("a vote on taking the model back opened")


def test_a_round_that_keeps_a_vote_open_says_which() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets, dict.fromkeys(sets, WRONG))
    rollback = world.propose(RollbackBody(txid), sender=BOB)
    world.until(world.proposal(txid).final + RULES.draw_depth + 1 + D)
    first = rounds(world, txid)[0]
    assert (first.state, first.rollback) == ("judged", rollback.hex())
    assert first.words.endswith("the vote on taking the model back that was open stays open longer")


def test_unjudged_rounds_say_why_and_are_known_when_their_model_has_ended() -> None:
    world, sets = three()
    txid = in_round(world)
    open_all(world, sets[:2])
    world.until(world.height + D)
    first = rounds(world, txid)[0]
    assert (first.state, first.median) == ("unjudged", None)
    assert first.words == (
        "unjudged: 2 hidden sets, a round needs 3; nothing follows for the model; 1 set did not "
        "open all in time, and the bond burned"
    )
    assert [int(one.burned) for one in first.sets] == [0, 0, SET_BOND]
    world.until(world.proposal(txid).active + RULES.count_window)
    assert world.live(txid) is None, "nobody was ready"
    ended = rounds_reply(txid.hex(), world.sight, world.history)
    assert (ended.number, ended.pays, ended.rounds) == (None, "0", [first])


def test_a_round_that_draws_of_nothing_is_told_too() -> None:
    world, _ = world_of()
    txid = in_round(world)
    (found,) = [one for one in rounds(world, txid) if one.state != "to-come"]
    assert (found.round, found.state, found.sets) == (1, "unjudged", [])
    assert found.words.startswith("unjudged: no hidden sets, a round needs 3")


def test_a_history_that_lags_leaves_things_out() -> None:
    world, sets = three()
    txid = in_round(world)
    record = world.records.hidden_set(sets[0])
    world.block((ALICE, opens(sets[0], QUESTIONS.proof(record.drawn))))
    world.history.undo(world.height)
    assert [one.txid for one in shown(world, sets[0]).drawn] == [None, None]
    assert shown(world, sets[0]).drawn[0].opened
    world.history.apply(world.height, _block_name(world), 0, [])
    open_all(world, sets[1:])
    world.until(world.proposal(txid).final + RULES.draw_depth + 1 + D)
    world.history.undo(world.height)
    first = rounds(world, txid)[0]
    assert (first.state, first.height) == ("passed-over", None)
    assert "lacks what it came to" in first.words


def _block_name(world: ReportWorld) -> BlockId:
    return BlockId(world.height.to_bytes(64, "big"))


def test_rounds_are_about_models_alone() -> None:
    world, _ = three()
    fee = PARAMS.limits.fee_per_byte
    change = world.propose(change_body(settings=[(12, 2 * fee)]), bond=100 * COIN)
    with pytest.raises(e.RpcError, match="is of no model"):
        rounds(world, change)
    with pytest.raises(e.RpcError, match="no round about it is over"):
        rounds(world, Txid(bytes(64)))
    longer = world.propose(model_body(0), bond=100 * COIN)
    assert rounds(world, longer) == []


def test_theta_and_samples_are_those_in_force() -> None:
    rules = replace(RULES, hidden_threshold_per_mille=0)
    world, sets = begun(
        *(QUESTIONS, QUESTIONS, QUESTIONS),
        params=replace(PARAMS, governance=rules),
        make=ReportWorld,
    )
    assert isinstance(world, ReportWorld)
    txid = in_round(world)
    open_all(world, sets, dict.fromkeys(sets, WRONG))
    world.until(world.height + D - 1)
    first = rounds(world, txid)[0]
    assert (first.threshold, first.rollback) == (0, None)
    assert first.words.endswith("no score opens a vote on this network")
