"""Honest nodes that others want this one to blame, and odd things. Network page, 10, 11, 15."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.p2p.peers.bars import Bar
from esper.p2p.peers.netgroup import is_local
from esper.p2p.service.endpoint import TcpEndpoint
from esper.p2p.transport.identity import Identity
from esper.p2p.transport.listening import PortError
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import StreamKind
from tests.support.net.net_attack_world import (
    PARAMS,
    Attacker,
    attack_world,
    base_branch,
    compact_of,
    never,
    next_block,
    proof_of,
    run_attack,
    serves,
    until,
    with_false_proof,
)
from tests.support.vm_world import ALICE, BOB

pytestmark = pytest.mark.serial

HOUR_MS = 3_600_000


def test_who_lives_behind_the_address_of_a_banned_one_stays(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            lie = with_false_proof(next_block(world.honest.chain, ALICE))

            async def lies(attacker: Attacker, asked: talk.GetBlock) -> None:
                await attacker.say(compact_of(lie, asked.number), proof_of(lie, asked.number))

            neighbour = await world.attacker(1, source="127.99.1.1")
            liar = await world.attacker(2, handlers={talk.GetBlock: lies}, source="127.99.1.1")
            await liar.say(talk.Announce(lie.header.to_bytes()))
            await liar.ended()
            assert world.target.barred(liar.identity) is Bar.BAN
            await trio.sleep(0.2)
            assert neighbour.is_up
            assert world.target.barred(neighbour.identity) is None

    run_attack(test)


@pytest.mark.parametrize("skew", [-2 * HOUR_MS, 2 * HOUR_MS, (1 << 63) - 1])
def test_a_wrong_clock_is_nobodys_fault_and_moves_nothing(tmp_path: Path, skew: int) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            now = world.target.clock()
            said = min(max(now + skew, 0), (1 << 63) - 1)
            peer = await world.attacker(time_ms=said)
            ahead = skew if skew > 0 else 0
            future = next_block(world.honest.chain, ALICE).header
            pre = replace(future.pre, time_ms=min(now + ahead + HOUR_MS, (1 << 62)))
            await peer.say(talk.Announce(replace(future, pre=pre).to_bytes()))
            await world.arrival_s()
            assert peer.is_up
            assert world.target.barred(peer.identity) is None
            assert world.target.service.following.blocks.statistics().future_headers <= 2
            assert not world.target.view.warnings

    run_attack(test)


def test_blocks_ahead_of_the_clock_are_two_a_peer_and_sixteen_in_all(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            future = next_block(world.honest.chain, ALICE).header
            liars = [await world.attacker() for _ in range(12)]
            # What is ahead is measured from what a clock may be off.
            late = world.target.clock() + PARAMS.difficulty.future_limit_ms + 400_000
            for at in range(6):
                for number, liar in enumerate(liars):
                    pre = replace(future.pre, time_ms=late + 100 * number + at)
                    await liar.say(talk.Announce(replace(future, pre=pre).to_bytes()))
            await world.check_alive(calm)
            statistics = world.target.service.following.blocks.statistics()
            assert 2 <= statistics.future_headers <= 16
            assert all(liar.is_up for liar in liars)

    run_attack(test)


def test_another_release_with_more_to_say_is_no_stranger(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            newer = await world.attacker(services=0xFFFF_FFFF, agent=b"esper 9.9", proofs_from=0)
            for kind in (128, 200, 255):
                await newer.send(StreamKind.TALK, (3).to_bytes(4, "big") + bytes([kind, 1, 2]))
                await newer.send(StreamKind.BULK, (3).to_bytes(4, "big") + bytes([kind, 1, 2]))
            await newer.say(talk.Ping(77, 0, b"", bytes(64)))
            await newer.hears(talk.Pong)
            assert newer.is_up

    run_attack(test)


def test_other_rules_are_dropped_and_not_banned(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            header = next_block(world.honest.chain, ALICE).header
            other = replace(header, pre=replace(header.pre, tier=7))
            peer = await world.attacker()
            await peer.say(talk.Announce(other.to_bytes()))
            await peer.ended()
            assert world.target.barred(peer.identity) is Bar.DROP

    run_attack(test)


@pytest.mark.parametrize("agent", [b"\x1b[2J", b"a\nb", b"\x9b1m"])
def test_an_agent_that_is_no_plain_text_never_reaches_a_terminal(
    tmp_path: Path, agent: bytes
) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            plain = await world.attacker(agent=b"@" * len(agent))
            assert plain.is_up
            liar = await world.attacker(greets=False)
            hello = frame_bytes(world.hello(base_branch().claim, agent=b"@" * len(agent)))
            await liar.send(StreamKind.TALK, hello.replace(b"@" * len(agent), agent))
            await liar.ended()
            [why] = world.target.why_left(liar.identity)
            assert why.startswith("codec")
            assert why.isprintable()
            assert why.isascii()

    run_attack(test)


def test_a_bye_of_no_known_code_is_no_text(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            liar = await world.attacker()
            await liar.send(StreamKind.TALK, (5).to_bytes(4, "big") + b"\x03\x92\x01\xcc\x1b")
            await liar.ended()
            why = world.target.why_left(liar.identity)
            assert why
            assert all(one.isprintable() for one in why)

    run_attack(test)


def test_a_second_node_on_a_port_is_told_so(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            endpoint = TcpEndpoint(
                Identity.from_seed(b"s" * 32),
                ("a", "b"),
                ("127.0.0.1",),
                world.target.port,
                spares=is_local,
            )
            with pytest.raises(ExceptionGroup) as caught:
                async with trio.open_nursery() as nursery:
                    await nursery.start(endpoint.run, lambda _: None, lambda _: True)
            assert caught.value.subgroup(PortError) is not None
            assert str(world.target.port) in str(caught.value.exceptions[0])
            await world.arrival_s()

    run_attack(test)


def test_a_light_branch_from_far_below_is_not_fetched_and_stops_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            light = base_branch().until(1).longer(6, BOB)
            claim = replace(light.claim, weight=1 << 200)
            makers = [await world.attacker(claim=claim, handlers=serves(light)) for _ in range(3)]
            await makers[0].hears(talk.GetHeaders)
            await world.check_alive(calm)
            assert not world.target.view.busy
            assert sum(len(one.of(talk.GetBlocks)) for one in makers) == 0
            assert world.target.tip == world.honest.tip

    run_attack(test)


def test_a_heavy_branch_whose_blocks_never_come_stops_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            heavy = base_branch().until(6).longer(12, BOB)
            handlers = {**serves(heavy), talk.GetBlocks: never, talk.GetBlock: never}
            makers = [await world.attacker(claim=heavy.claim, handlers=handlers) for _ in range(3)]
            await until(lambda: any(one.of(talk.GetBlocks) for one in makers))
            assert not world.target.view.busy
            await world.check_alive(calm)
            assert not world.target.view.busy

    run_attack(test)


def test_our_own_answers_are_what_we_were_asked(tmp_path: Path) -> None:
    """Two honest nodes: whatever one asks, the other does not give reason for blame."""

    async def test() -> None:
        async with attack_world(tmp_path) as world:
            late = await world.another_node(
                "late", host="127.0.0.4", static=(world.target.address,)
            )
            await until(lambda: late.tip == world.target.tip)
            for _ in range(3):
                block = await world.honest.mine()
                await until(lambda: late.tip == block)  # noqa: B023
            for node in (late, world.target, world.honest):
                assert not node.service.parts.penalties.barred(node.service.steady())

    run_attack(test)
