"""Proposals, voters, settings and counts as the RPC shows them, over a model's whole life."""

from dataclasses import replace

import pytest

from esper.dao.bodies import RollbackBody
from esper.dao.entry_records import TIER
from esper.dao.settings import SETTINGS
from esper.node.views.dao.next_event import next_event, reminders
from esper.node.views.dao.proposal_replies import dao_list, proposal_named, proposal_reply
from esper.node.views.dao.readiness_replies import dao_readiness
from esper.node.views.dao.setting_replies import dao_settings
from esper.node.views.dao.sight import Sight
from esper.node.views.dao.voter_reply import voter_reply
from esper.node.views.rpc_formats import address_text
from esper.primitives.codec import decode
from esper.primitives.ids import Txid
from esper.rpc import errors as e
from esper.rpc import schema as s
from esper.vm.governance.delegate import Delegate
from tests.support.dao_world import RULES, DaoWorld, change_body, model_body
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, MINER, address

FEE_KEY = 12


def sight(world: DaoWorld) -> Sight:
    return Sight(world.state, world.params, s.AsOf(world.height, True))


def shown(world: DaoWorld, txid: Txid) -> s.ProposalReply:
    seen = sight(world)
    return proposal_reply(proposal_named(txid.hex()[:8], seen), seen)


def fee_change(world: DaoWorld, **fields: object) -> object:
    fee = world.params.limits.fee_per_byte
    return change_body(settings=[(FEE_KEY, 2 * fee)], **fields)


@pytest.fixture
def world() -> DaoWorld:
    """Height 19; 600, 300 and 100 coins are staked."""
    found = DaoWorld()
    found.stake(600, 300, 100)
    found.until(19)
    return found


def test_nothing_is_under_way(world: DaoWorld) -> None:
    found = dao_list(sight(world))
    assert (found.proposals, found.schedule) == ([], [])
    assert (found.stake, found.bond_unit) == (str(1000 * COIN), str(COIN))
    assert next_event(sight(world)) == ("", None)
    with pytest.raises(e.RpcError, match="is under way"):
        proposal_named("ab" * 4, sight(world))


def test_a_model_from_its_vote_to_its_end(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=3 * COIN)
    found = shown(world, txid)
    live = found.live
    assert (live.number, live.id, live.subject, live.tier) == (1, txid.hex(), "model", 0)
    assert (live.step, live.open, live.next) == ("tail", True, 30)
    assert live.then == "the outcome so far is noted; the vote closes at 32"
    assert live.about == "model Another model for tier 0"
    assert (live.quorum, live.quorum_reached, live.passing) == (str(1000 * COIN), False, False)
    assert live.proposer == address_text(address(ALICE), world.params)
    assert (found.opened, found.closes, found.base, found.epoch) == (20, 32, str(COIN), 2)
    assert (live.bond, found.fee) == (str(3 * COIN - COIN // 4), str(COIN // 4))
    assert found.burns == live.bond, "nobody has voted for it yet"
    assert (found.final, found.check, found.active, found.trial_ends) == (None,) * 4
    assert (found.rollback, found.rollback_until, found.change, found.target) == (
        "",
        None,
        None,
        "",
    )
    assert found.model is not None
    assert (found.model.name, found.model.licence, found.model.omega) == (
        "Another model",
        "MIT",
        str(model_body().omega),
    )

    world.vote(txid, CAROL)
    assert shown(world, txid).burns == str((3 * COIN - COIN // 4) // 10), "a tenth of all is for it"
    world.vote(txid, ALICE)
    live = shown(world, txid).live
    assert (live.yes, live.no, live.quorum_reached, live.passing) == (
        str(700 * COIN),
        "0",
        True,
        True,
    )
    assert shown(world, txid).burns == "0"

    world.until(32)
    found = shown(world, txid)
    assert (found.live.step, found.live.open, found.live.bond) == ("draw", False, "0")
    assert (found.final, found.burns) == (32, "0")
    assert next_event(sight(world)) == ("proposal 1: the activation height is drawn", 34)
    world.until(34)
    found = shown(world, txid)
    assert (found.check, found.active, found.trial_ends) == (44, 64, 104)
    assert (found.rollback, found.rollback_until) == ("cancel", 40)
    assert found.live.then == "readiness is judged; confirmed, it acts at 64"
    world.until(39)
    assert shown(world, txid).rollback_until == 40
    world.until(40)
    assert shown(world, txid).rollback_until is None, "the next block is too late for it"

    world.make_ready(txid)
    [count] = dao_readiness(sight(world)).proposals
    assert (count.phase, count.begins, count.ends) == ("check", 39, 44)
    assert (count.seen, count.ready, count.needed) == (3, 1, 2)
    world.until(44)
    found = shown(world, txid)
    assert (found.live.step, found.live.then) == ("act", "the model becomes active")
    assert (found.rollback, found.rollback_until) == ("revert", 81)
    assert [(due.height, due.act) for due in dao_list(sight(world)).schedule] == [(64, "activate")]
    assert dao_readiness(sight(world)).proposals == []
    world.until(64)
    assert shown(world, txid).live.then == "a seed is drawn for the trial"
    [tier] = dao_settings(sight(world), world.registry).tiers
    read = decode(TIER, bytes.fromhex(tier.record), limit=1 << 14, what="tier")
    assert read == world.registry.tier(0)
    assert (tier.since, bool(tier.previous_model_id), tier.share) == (64, True, 65_536)
    world.until(80)
    [count] = dao_readiness(sight(world)).proposals
    assert (count.phase, count.seen, count.ready, count.needed) == ("trial", 2, 2, 1)
    world.until(84)
    found = shown(world, txid)
    assert found.live.then == "the trial is won: the replaced model goes"
    assert (found.trial_ends, found.rollback_until) == (104, None)


def test_what_a_new_tier_without_blocks_owes(world: DaoWorld) -> None:
    txid = world.propose(model_body(tier=3, share=8192), bond=3 * COIN)
    world.vote(txid, ALICE)
    world.until(34)
    [count] = dao_readiness(sight(world)).proposals
    # Half of an eighth of five blocks, and one at least.
    assert (count.tier, count.seen, count.needed) == (3, 0, 1)
    wide = replace(RULES, count_window=720, postponement=720, grace=2000, trial=2000)
    seen = replace(sight(world), genesis=replace(world.params, governance=wide))
    [count] = dao_readiness(seen).proposals
    assert count.needed == 45
    assert shown(world, txid).live.about.endswith("for tier 3, new, with 12.50 % of all blocks")


def test_a_rollback_names_its_target(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, ALICE)
    world.until(34)
    rollback = world.propose(RollbackBody(txid), sender=BOB)
    found = shown(world, rollback)
    assert (found.live.subject, found.live.step, found.live.next) == ("rollback", "close", 38)
    assert (found.target, found.live.tier) == (txid.hex(), 0)
    assert found.live.then == "the vote closes"
    assert found.live.about == f"rollback of {txid.hex()[:16]}…"


def test_settings_say_what_holds_and_what_is_on_its_way(world: DaoWorld) -> None:
    fee = world.params.limits.fee_per_byte
    txid = world.propose(fee_change(world), bond=3 * COIN)  # type: ignore[arg-type]

    def row() -> s.SettingReply:
        found = dao_settings(sight(world), world.registry).settings
        assert [one.key for one in found] == list(SETTINGS)
        return next(one for one in found if one.key == FEE_KEY)

    assert (row().name, row().genesis, row().in_force) == ("fee_per_byte", str(fee), str(fee))
    assert (row().least, row().most) == (str(-(-fee // 10)), str(100 * fee))
    assert (row().changed, row().rests_until) == (None, None)
    assert row().pending == [s.PendingValue(1, str(2 * fee), None, False)]
    world.vote(txid, ALICE)
    world.until(32)
    found = shown(world, txid)
    assert found.live.then == f"its rules are judged again; then it acts at {found.active}"
    assert found.change is not None
    assert found.change.settings == [s.KeyValue("fee_per_byte", str(2 * fee))]
    assert (found.live.tier, found.live.about) == (None, f"fee_per_byte to {2 * fee}")
    assert found.active is not None
    acts = found.active
    assert row().pending == [s.PendingValue(1, str(2 * fee), acts, False)]
    assert dao_readiness(sight(world)).proposals == [], "no tier ends"
    world.until(acts - 1)
    assert row().pending == [s.PendingValue(1, str(2 * fee), acts, True)]
    world.until(acts)
    assert (row().genesis, row().in_force, row().pending) == (str(fee), str(2 * fee), [])
    assert (row().changed, row().rests_until) == (acts, acts + 4 * RULES.vote_window)


def test_a_voter(world: DaoWorld) -> None:
    world.block((CAROL, Delegate(address(BOB))))
    world.until(29)
    txid = world.propose(fee_change(world), bond=3 * COIN)  # type: ignore[arg-type]

    def voter(key: object) -> s.VoterReply:
        return voter_reply(address(key), sight(world))  # type: ignore[arg-type]

    bob, carol = address_text(address(BOB), world.params), voter(CAROL)
    assert (carol.delegate, carol.stake, carol.pot) == (bob, str(100 * COIN), "0")
    assert carol.votes == [s.VoterWeight(1, txid.hex(), str(100 * COIN), "", bob)]
    assert voter(BOB).pot == str(100 * COIN)
    assert voter(BOB).votes[0].weight == str(400 * COIN)
    world.vote(txid, CAROL, choice=2)
    assert voter(CAROL).votes[0].vote == "abstain"
    assert voter(BOB).votes[0].weight == str(300 * COIN), "she has voted herself"
    world.vote(txid, BOB, choice=0)
    assert voter(BOB).votes[0].vote == "no"
    assert voter(MINER).votes[0].weight == "0"


def test_who_is_ready(world: DaoWorld) -> None:
    txid = world.propose(model_body(), bond=3 * COIN)
    world.vote(txid, ALICE)
    world.until(34)
    world.make_ready(txid)
    assert voter_reply(address(MINER), sight(world)).ready == [1]


def test_a_model_that_grows_old_is_said(world: DaoWorld) -> None:
    seen = replace(sight(world), as_of=s.AsOf(RULES.rotation_reminder, True))
    assert reminders(seen, world.registry) == []
    [said] = reminders(
        replace(seen, as_of=s.AsOf(RULES.rotation_reminder + 1, True)), world.registry
    )
    assert said.startswith("the model of tier 0 is active since height 0")
