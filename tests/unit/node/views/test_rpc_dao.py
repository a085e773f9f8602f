"""The DAO's methods on a running node, and what that says of rules that votes have moved."""

from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.context import ChainContext
from esper.dao.bodies import BODIES
from esper.dao.settings import with_settings
from esper.primitives.codec import encode
from esper.primitives.ids import txid_of
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.schema import NoParams
from esper.vm.credits import rate_limit, settled, totals_at_block
from esper.vm.governance.vote import Vote
from tests.support.dao_world import change_body, proposing
from tests.support.node.node_world import PARAMS, go, node_world
from tests.support.node.rpc_asking import account_of, refusal, text
from tests.support.vm_world import BOB, COIN, address

FEE = PARAMS.limits.fee_per_byte
CHANGE = change_body(settings=[(12, 2 * FEE)])
BID_KEY, BASE_FEE_KEY, RATE_KEY = 6, 11, 2


def test_a_proposal_from_its_check_to_its_vote(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world:
            # The datadir's chain is 12 high: Bob's stake counts since epoch 1.
            body = encode(BODIES[2], CHANGE).hex()
            asked = s.CheckParams(text(BOB), 2, body)
            found = await world.ask(m.DAO_CHECK_PROPOSAL, asked)
            assert (found.holds, found.rule) == (True, ""), found.message
            small = s.CheckParams(text(BOB), 2, body, "1")
            assert (await world.ask(m.DAO_CHECK_PROPOSAL, small)).rule == "BondViolation"
            assert (await world.ask(m.GET_STATUS, NoParams())).dao_next_height is None

            await world.others_turn(world.signed(BOB, proposing(CHANGE, 2 * COIN)))
            [live] = (await world.ask(m.DAO_LIST, NoParams())).proposals
            shown = await world.ask(m.DAO_GET, s.ProposalParams(live.id[:8]))
            assert shown.live == live
            status = await world.ask(m.GET_STATUS, NoParams())
            assert status.dao_next_height == live.next
            assert status.dao_next == f"proposal 1: {live.then}"
            assert status.reminders == []
            error = await refusal(world.ask(m.DAO_GET, s.ProposalParams("ab" * 4)))
            assert error.code == e.NOT_FOUND

            proposal = (await world.ask(m.GET_HISTORY, s.HistoryParams(text(BOB), limit=1))).events
            assert proposal[0].what == "proposed"
            vote = Vote(txid_of(live.id), 1)
            await world.others_turn(world.signed(BOB, vote))
            voter = await world.ask(m.DAO_VOTER, s.VoterParams(text(BOB)))
            assert (voter.votes[0].vote, voter.votes[0].id) == ("yes", live.id)
            settings = await world.ask(m.DAO_SETTINGS, NoParams())
            row = next(one for one in settings.settings if one.key == 12)
            assert [one.value for one in row.pending] == [str(2 * FEE)]
            assert (await world.ask(m.DAO_READINESS, NoParams())).proposals == []

    go(main)


def test_what_votes_have_moved_is_what_the_node_says(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = with_settings(
        PARAMS,
        [
            (BID_KEY, 2 * PARAMS.credits.minimum_bid),
            (BASE_FEE_KEY, 3 * PARAMS.limits.base_fee),
            (RATE_KEY, PARAMS.credits.rate_per_staked_unit // 2),
        ],
    )

    async def main() -> None:
        async with node_world(datadir, wanted=0) as world:
            before = await account_of(world, BOB)
            monkeypatch.setattr(ChainContext, "params_in_force", lambda *_: moved)
            found = await world.ask(m.GET_PARAMETERS, NoParams())
            assert found.base_fee == str(3 * PARAMS.limits.base_fee)
            assert found.minimum_bid == 2 * PARAMS.credits.minimum_bid
            estimate = await world.ask(m.ESTIMATE_CALL, s.EstimateParams(1, tokens=[1, 5]))
            assert estimate.bid == 2 * PARAMS.credits.minimum_bid
            after = await account_of(world, BOB)
            totals = totals_at_block(world.ledger.totals, world.height + 1, PARAMS.credits)
            account, _ = settled(world.ledger.account(address(BOB)), totals)
            assert before.credits.rate_limit == str(rate_limit(account, PARAMS.credits))
            assert after.credits.rate_limit == str(rate_limit(account, moved.credits))
            assert after.credits.rate_limit != before.credits.rate_limit

    assert moved == replace(PARAMS, credits=moved.credits, limits=moved.limits)
    go(main)
