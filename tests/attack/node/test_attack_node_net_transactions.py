"""Transactions that strangers make up, against a whole node. Network page, sections 5, 7, 10."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.p2p.peers.bars import Bar
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.vm.transaction import Transaction
from tests.support.net.net_attack_world import (
    Attacker,
    AttackWorld,
    Handler,
    attack_world,
    run_attack,
    until,
)
from tests.support.node.node_world import pay
from tests.support.vm_world import ALICE, BOB, CAROL, make, sign

pytestmark = pytest.mark.serial


def signed(world: AttackWorld, nonce: int, amount: int = 5) -> Transaction:
    return sign(ALICE, make(ALICE, pay(BOB, amount), nonce), world.genesis)


def gives(*known: Transaction) -> dict[type, Handler]:
    """Gives what it announced."""
    by_prefix = {one.wtxid[:16]: one.to_bytes() for one in known}

    async def get_txs(attacker: Attacker, asked: talk.GetTxs) -> None:
        found = tuple(by_prefix[one] for one in asked.prefixes if one in by_prefix)
        await attacker.say(bulk.Txs(asked.number, found))

    return {talk.GetTxs: get_txs}


def having(*known: Transaction) -> talk.HaveTxs:
    return talk.HaveTxs(tuple(talk.Announced(one.wtxid[:16], len(one.to_bytes())) for one in known))


def test_bad_transactions_by_the_hundred_end_with_the_tenth(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            good = signed(world, 0)
            bad = [
                replace(good, signature=bytes([at % 256, at // 256]) + good.signature[2:])
                for at in range(256)
            ]
            liars = [await world.attacker(handlers=gives(*bad)) for _ in range(6)]
            for number, liar in enumerate(liars):
                # Each begins elsewhere: nobody is asked for what another gave already.
                await liar.say(having(*bad[40 * number :], *bad[: 40 * number]))
            for liar in liars:
                await liar.ended(20.0)
                assert world.target.barred(liar.identity) is Bar.DROP
            await world.check_alive(calm)
            # Who has a sound one is heard all the same.
            honest = await world.attacker(100, handlers=gives(good))
            await honest.say(having(good))
            pool = world.target.node.mempool.pool
            await until(lambda: [one.txid for one, _, _ in pool.kept()] == [good.txid])
            assert honest.is_up

    run_attack(test)


def test_many_signatures_of_one_transaction_are_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            all_of_it = [signed(world, 0) for _ in range(40)]
            assert len({one.txid for one in all_of_it}) == 1
            assert len({one.wtxid for one in all_of_it}) == 40
            makers = [await world.attacker(handlers=gives(*all_of_it)) for _ in range(4)]
            hearer = await world.attacker()
            for maker in makers:
                await maker.say(having(*all_of_it))
            pool = world.target.node.mempool.pool
            await until(lambda: len(list(pool.kept())) == 1)
            await until(
                lambda: world.target.service.following.transactions.statistics().wanted == 0
            )
            assert len(list(pool.kept())) == 1
            for maker in makers:
                assert maker.is_up
            told = {one.prefix for have in hearer.of(talk.HaveTxs) for one in have.transactions}
            assert len(told) <= 1
            await world.check_alive(calm)

    run_attack(test)


def test_old_transactions_blame_nobody_when_the_tip_has_moved(tmp_path: Path) -> None:
    """Nonces used, money spent: whoever has not seen the block yet announces in good faith."""

    async def test() -> None:
        async with attack_world(tmp_path) as world:
            await world.arrival_s()
            used = [signed(world, 0, amount) for amount in range(30, 60)]
            poor = [sign(CAROL, make(CAROL, pay(BOB, 1 << 60), 0), world.genesis)]
            await world.target.node.mempool.submit(signed(world, 0).to_bytes())
            peer = await world.attacker(handlers=gives(*used, *poor))
            await peer.say(having(*used, *poor))
            await peer.hears(talk.GetTxs)
            await trio.sleep(0.5)
            assert peer.is_up
            assert world.target.barred(peer.identity) is None

    run_attack(test)


def test_a_pool_tells_only_what_it_has_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            secret = signed(world, 0)
            await world.target.node.mempool.submit(secret.to_bytes())
            prober = await world.attacker()
            await prober.say(talk.GetTxs(prober.number(), (secret.wtxid[:16],)))
            told = await prober.hears(bulk.Txs)
            assert told.transactions == ()

    run_attack(test)


def test_a_size_that_was_not_said_ends_the_connection(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            one = signed(world, 0)
            liar = await world.attacker(handlers=gives(one))
            await liar.say(talk.HaveTxs((talk.Announced(one.wtxid[:16], 77),)))
            await liar.ended()
            assert world.target.barred(liar.identity) is Bar.DROP

    run_attack(test)


def test_announcements_without_end_that_nobody_keeps_stay_within_bounds(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            liars = [await world.attacker() for _ in range(8)]
            for turn in range(20):
                for number, liar in enumerate(liars):
                    many = tuple(
                        talk.Announced(bytes([number, turn, at]) + bytes(13), 60_000)
                        for at in range(256)
                    )
                    await liar.say(talk.HaveTxs(many))
            await world.check_alive(calm)
            statistics = world.target.service.following.transactions.statistics()
            assert statistics.held_bytes <= 4 << 20
            assert statistics.known <= 2 * 1_024 * statistics.peers
            assert statistics.wanted <= 1_024 * len(liars)

    run_attack(test)
