"""Accounts and their history as the RPC shows them, on a chain of fake work."""

from pathlib import Path

from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.credits import rate_limit, settled, totals_at_block
from esper.vm.llm_call import LlmCall
from esper.vm.unstake import Unstake
from tests.support.node.node_world import PARAMS, go, node_world, pay
from tests.support.node.rpc_asking import NOBODY, account_of, text
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, address


def test_an_account_with_what_waits(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            before = await account_of(world, BOB)
            assert (before.nonce, before.next_nonce, before.key_known) == (1, 1, True)
            assert before.balance == str(1000 * COIN - 500 * COIN - FEE)
            assert before.stake == str(500 * COIN)
            await world.send(BOB, pay(ALICE, 3 * COIN))
            await world.send(ALICE, pay(BOB, 4 * COIN))
            after = await account_of(world, BOB)
            assert (after.pending_out, after.pending_in) == (str(3 * COIN + FEE), str(4 * COIN))
            assert (after.balance, after.next_nonce) == (before.balance, 2)
            nobody = await world.ask(m.GET_ACCOUNT, s.AccountParams(address=NOBODY))
            assert (nobody.balance, nobody.stake, nobody.nonce) == ("0", "0", 0)
            assert (nobody.key_known, nobody.credits.available) == (False, "0")
            loud = await world.ask(m.GET_ACCOUNT, s.AccountParams(address=NOBODY.upper()))
            assert loud == nobody

    go(main)


def test_rewards_and_stakes_that_come_free_later(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            await world.others_turn(world.signed(BOB, Unstake(100 * COIN)))
            miner, staker = await account_of(world, CAROL), await account_of(world, BOB)
            maturity = PARAMS.reward.maturity
            assert [one.height for one in miner.immature] == [
                height + maturity for height in range(13 - maturity + 1, 14)
            ]
            assert [(one.height, one.amount) for one in staker.unbonding] == [
                (13 + PARAMS.reward.unbonding, str(100 * COIN))
            ]

    go(main)


def test_credits_are_what_the_next_block_would_see(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            rules = PARAMS.credits

            async def compare(waiting: int) -> s.Credits:
                shown = (await account_of(world, ALICE)).credits
                height = world.height + 1
                totals = totals_at_block(world.ledger.totals, height, rules)
                account, _ = settled(world.ledger.account(address(ALICE)), totals)
                available = account.older_credits + account.newer_credits
                limit = rate_limit(account, rules)
                assert shown.available == str(available)
                assert shown.lapsing == str(account.older_credits)
                assert (shown.used, shown.rate_limit) == (str(account.used), str(limit))
                assert shown.spendable == str(min(available, limit - account.used) - waiting)
                # The older ones are there until the epoch of the block that lapses them begins.
                assert shown.lapse_height == (height // rules.epoch_blocks + 1) * rules.epoch_blocks
                return shown

            shown = await compare(0)
            assert int(shown.spendable) > 0
            # Half of all stake is hers, and a block brings it half of what a block earns.
            assert abs(int(shown.per_block) - rules.per_block // 2) <= 1
            [one] = await world.send_calls(50)
            call = world.node.mempool.pool.get(one)
            assert call is not None
            assert isinstance(call.payload, LlmCall)
            await compare(call.payload.reserve)
            gift = world.signed(ALICE, CreditTransfer(address(BOB), 1234), nonce=world.nonce(ALICE))
            await world.node.mempool.submit(gift.to_bytes())
            await compare(call.payload.reserve + 1234)
            # The next block shows what was promised for it.
            promised = int(shown.available)
            await world.others_turn()
            after = await compare(call.payload.reserve + 1234)
            assert abs(int(after.available) - promised - int(shown.per_block)) <= 1
            for _ in range(rules.epoch_blocks):
                await world.others_turn()
                await compare(call.payload.reserve + 1234)

    go(main)


def test_the_history_page_by_page(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            await world.others_turn(world.signed(BOB, pay(CAROL, 7)))
            ask = s.HistoryParams(address=text(CAROL), limit=5)
            page = await world.ask(m.GET_HISTORY, ask)
            mined, received = page.events[0], page.events[1]
            events = {event.what: event for event in (mined, received)}
            assert set(events) == {"mined", "received"}
            assert (events["received"].amount, events["received"].other) == ("7", text(BOB))
            assert events["mined"].txid == ""
            seen = list(page.events)
            while page.cursor is not None:
                ask = s.HistoryParams(address=text(CAROL), limit=5, before=page.cursor)
                page = await world.ask(m.GET_HISTORY, ask)
                seen += page.events
            assert [event.height for event in seen if event.what == "mined"] == list(
                range(13, 0, -1)
            )

    go(main)
