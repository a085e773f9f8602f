"""Claims against a whole node: they cost nothing, so nothing follows from them alone.

The network page, sections 8 and 15.
"""

from pathlib import Path

import pytest
import trio

from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim
from tests.support.net.net_attack_world import (
    HEIGHT,
    Attacker,
    attack_world,
    base_branch,
    never,
    run_attack,
    serves,
    until,
)
from tests.support.vm_world import BOB

pytestmark = pytest.mark.serial

HUGE = Claim(1 << 31, 1 << 500, b"\xee" * 64)


async def nothing_new(attacker: Attacker, asked: talk.GetHeaders) -> None:
    await attacker.say(bulk.Headers(asked.number, asked.locator[0], ()))


def test_a_claim_of_2_to_the_500_stops_nothing_and_is_void_after_a_try(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            liars = [
                await world.attacker(claim=HUGE, handlers={talk.GetHeaders: nothing_new})
                for _ in range(4)
            ]
            for liar in liars:
                await liar.hears(talk.GetHeaders)
            await until(lambda: world.target.view.near)
            view = world.target.view
            assert view.synced
            assert not view.busy
            await world.check_alive(calm)
            asked = sum(len(liar.of(talk.GetHeaders)) for liar in liars)
            for liar in liars:
                # Again and again, in pings: void for ten minutes.
                for nonce in range(5):
                    await liar.say(talk.Ping(nonce, 1 << 31, b"\x7f" * 63, b"\xdd" * 64))
            await trio.sleep(0.5)
            assert sum(len(liar.of(talk.GetHeaders)) for liar in liars) == asked
            assert world.target.view.synced

    run_attack(test)


def test_a_claim_that_nobody_proves_stops_no_mining_while_its_headers_are_awaited(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            liars = [
                await world.attacker(claim=HUGE, handlers={talk.GetHeaders: never})
                for _ in range(4)
            ]
            await liars[0].hears(talk.GetHeaders)
            view = world.target.view
            assert not view.busy, "a claim alone must not stop relay or mining"
            await world.check_alive(calm)

    run_attack(test)


def test_a_newcomer_is_not_synced_by_silence_nor_by_claims_below_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            lone = await world.another_node("lone", host="127.0.0.3", branch=base_branch())
            await trio.sleep(3.5)
            assert not lone.view.synced
            assert lone.view.why_not
            assert world.target.view.synced

    run_attack(test)


def test_unknown_parents_again_and_again_cost_one_question(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            theirs = base_branch().until(2).longer(12, BOB)
            liars = [
                await world.attacker(handlers={talk.GetHeaders: nothing_new}) for _ in range(4)
            ]
            for block in theirs.blocks[4:]:
                for liar in liars:
                    await liar.say(talk.Announce(block.header.to_bytes()))
            await world.check_alive(calm)
            for liar in liars:
                assert len(liar.of(talk.GetHeaders)) <= 1
                assert not liar.of(talk.GetBlock)

    run_attack(test)


def test_two_blocks_in_a_row_of_an_unknown_parent_wait_for_no_ping(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            await world.arrival_s()
            theirs = base_branch().until(6).longer(HEIGHT, BOB)
            giver = await world.attacker(handlers=serves(theirs))
            for block in theirs.blocks[-2:]:
                await giver.say(talk.Announce(block.header.to_bytes()))
                await trio.sleep(0.2)
            # Its pings come each half minute; its last announcement must do before.
            await until(lambda: world.target.tip == theirs.top.context.tip_id, 8.0)
            await until(lambda: world.honest.tip == theirs.top.context.tip_id, 8.0)
            world.check_honest()

    run_attack(test)
