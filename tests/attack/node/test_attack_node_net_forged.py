"""Blocks that nobody proved, against a whole node. The network page, sections 6, 8, 10 and 15."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.p2p.peers.bars import Bar
from esper.p2p.transport.link import LinkClosed
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from tests.support.fake_work import FakeVerifier
from tests.support.forge import forged
from tests.support.net.net_attack_world import (
    PARAMS,
    Attacker,
    attack_world,
    base_branch,
    compact_of,
    forged_branch,
    never,
    next_block,
    proof_of,
    run_attack,
    serves,
    until,
    with_false_proof,
)
from tests.support.vm_world import ALICE, BOB, address

pytestmark = pytest.mark.serial


def test_a_forged_proof_bans_its_id_and_its_address(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            lie = with_false_proof(next_block(world.honest.chain, ALICE))

            async def lies(attacker: Attacker, asked: talk.GetBlock) -> None:
                await attacker.say(compact_of(lie, asked.number), proof_of(lie, asked.number))

            liar = await world.attacker(handlers={talk.GetBlock: lies})
            await liar.say(talk.Announce(lie.header.to_bytes()))
            await liar.ended()
            assert world.target.barred(liar.identity) is Bar.BAN
            with pytest.raises(LinkClosed):
                await world.attacker(77, source=liar.ip)
            again = await world.attacker(0, source="127.200.1.1")
            await again.ended()
            await world.check_alive(calm)

    run_attack(test)


def test_a_forged_chain_of_headers_bans_its_giver_at_the_first_proof(tmp_path: Path) -> None:
    async def test() -> None:
        verifier = FakeVerifier(PARAMS.model)
        async with attack_world(tmp_path, verifier=verifier) as world:
            calm = await world.calm_s()
            lies = forged_branch(base_branch(), 8, ALICE)
            before = verifier.verified
            liar = await world.attacker(claim=lies.claim, handlers=serves(lies))
            await liar.ended()
            assert world.target.barred(liar.identity) is Bar.BAN
            # Two threads look ahead by four blocks each.
            assert verifier.verified - before <= 8
            assert not world.target.view.busy
            await world.check_alive(calm)

    run_attack(test)


def test_many_headers_of_works_that_do_not_exist_cost_a_few_fetches(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            real = next_block(world.honest.chain, ALICE).header
            liars = [await world.attacker(handlers={talk.GetBlock: never}) for _ in range(8)]
            for number in range(100):
                pre = replace(real.pre, nonce=1_000 + number)
                header = replace(real, pre=pre).to_bytes()
                for liar in liars:
                    if liar.is_up:
                        await liar.say(talk.Announce(header))
            await world.check_alive(calm)
            asked = sum(len(liar.of(talk.GetBlock)) for liar in liars)
            assert asked <= 4 * len(liars), "four works a peer"
            statistics = world.target.service.following.blocks.statistics()
            assert statistics.works <= 4 * len(liars)
            assert statistics.ids <= 4 * len(liars)

    run_attack(test)


def test_a_false_sibling_of_a_work_that_comes_first_keeps_the_block_out_for_no_time(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            honest = next_block(world.honest.chain, ALICE)
            liars = [await world.attacker(handlers={talk.GetBlock: never}) for _ in range(24)]
            for number, liar in enumerate(liars):
                lie = with_false_proof(honest, number)
                await liar.say(talk.Announce(lie.header.to_bytes()))
            await until(lambda: world.target.service.following.blocks.statistics().ids >= 20)
            # Inbound ones may hold one fetch each second, but the first outbound one is asked too.
            await world.check_arrives(honest, calm)
            world.check_honest()
            await world.check_alive(calm)

    run_attack(test)


def test_real_work_of_a_bad_state_does_not_blame_who_carried_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            bad = forged(world.honest.chain, address(BOB), state_root=b"\x05" * 32)

            async def carries(attacker: Attacker, asked: talk.GetBlock) -> None:
                await attacker.say(compact_of(bad, asked.number), proof_of(bad, asked.number))

            carrier = await world.attacker(handlers={talk.GetBlock: carries})
            await carrier.say(talk.Announce(bad.header.to_bytes()))
            await carrier.hears(talk.GetBlock)
            await trio.sleep(0.5)
            assert world.target.tip != bad.header.block_id
            assert carrier.is_up
            assert world.target.barred(carrier.identity) is None
            await world.check_alive(calm)

    run_attack(test)


def test_wrong_bytes_under_a_sound_header_ban_their_sender_and_not_the_block(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            block = next_block(world.honest.chain, ALICE)
            other = base_branch().blocks[3]

            async def wrong(attacker: Attacker, asked: talk.GetBlock) -> None:
                header = block.header.to_bytes()
                await attacker.say(
                    compact_of(other, asked.number, header), proof_of(block, asked.number)
                )

            liar = await world.attacker(handlers={talk.GetBlock: wrong})
            await liar.say(talk.Announce(block.header.to_bytes()))
            await liar.ended()
            assert world.target.barred(liar.identity) is Bar.BAN
            await world.check_arrives(block, calm)
            await world.check_alive(calm)

    run_attack(test)


def test_prefixes_of_nothing_keep_a_block_out_for_no_time(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            block = next_block(world.honest.chain, ALICE)

            async def wrong(attacker: Attacker, asked: talk.GetBlock) -> None:
                made = compact_of(block, asked.number)
                shorts = tuple(bytes([n]) * 16 for n in range(200))
                await attacker.say(
                    replace(made, shorts=shorts, filled=()), proof_of(block, asked.number)
                )

            async def gives(attacker: Attacker, asked: talk.GetBlockTxs) -> None:
                lies = tuple(b"nothing" for _ in asked.indices)
                await attacker.say(bulk.BlockTxs(asked.number, asked.block_id, lies))

            liar = await world.attacker(handlers={talk.GetBlock: wrong, talk.GetBlockTxs: gives})
            await liar.say(talk.Announce(block.header.to_bytes()))
            await liar.ended()
            assert world.target.barred(liar.identity) is Bar.BAN
            await world.check_arrives(block, calm)
            world.check_honest()

    run_attack(test)


def test_transactions_of_a_block_beyond_what_a_body_may_have_end_the_connection(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            block = next_block(world.honest.chain, ALICE)
            piece = bytes(60_000)

            async def wrong(attacker: Attacker, asked: talk.GetBlock) -> None:
                made = compact_of(block, asked.number)
                fat = tuple(bulk.Filled(at, piece) for at in range(16))
                shorts = tuple(bytes([at]) * 16 for at in range(40))
                await attacker.say(replace(made, shorts=shorts, filled=fat))

            async def gives(attacker: Attacker, asked: talk.GetBlockTxs) -> None:
                lies = tuple(piece for _ in asked.indices)[:25]
                await attacker.say(bulk.BlockTxs(asked.number, asked.block_id, lies))

            liar = await world.attacker(handlers={talk.GetBlock: wrong, talk.GetBlockTxs: gives})
            await liar.say(talk.Announce(block.header.to_bytes()))
            await liar.ended()
            assert world.target.barred(liar.identity) is not None
            await world.check_arrives(block, calm)

    run_attack(test)
