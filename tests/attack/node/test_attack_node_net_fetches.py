"""Peers that announce blocks and do not give them, or give them slowly. Network page, section 6."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.consensus.block import Block
from esper.consensus.ports import WorkClaim
from esper.p2p.limits import FETCHES_INBOUND, FETCHES_OUTBOUND, PUSHES
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import StreamKind
from esper.primitives.model_entry import ModelEntry
from tests.support.fake_work import FakeVerifier
from tests.support.net.net_attack_world import (
    PARAMS,
    Attacker,
    attack_world,
    compact_of,
    never,
    next_block,
    proof_of,
    run_attack,
    until,
    with_false_proof,
)
from tests.support.vm_world import ALICE, BOB

pytestmark = pytest.mark.serial


class Remembering(FakeVerifier):
    """Knows what it was asked."""

    def __init__(self, model: ModelEntry) -> None:
        super().__init__(model)
        self.proofs: list[bytes] = []

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        self.proofs.append(proof)
        super().verify(claim, proof)


def of_works(count: int, real: Block) -> list[bytes]:
    """Headers of works that nobody did."""
    return [
        replace(real.header, pre=replace(real.header.pre, nonce=5_000 + at)).to_bytes()
        for at in range(count)
    ]


def test_fakes_in_all_slots_leave_those_of_outbound_peers(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            fakes = of_works(24, next_block(world.honest.chain, ALICE))
            liars = [await world.attacker(handlers={talk.GetBlock: never}) for _ in fakes]
            for liar, fake in zip(liars, fakes, strict=True):
                await liar.say(talk.Announce(fake))
            relay = world.target.service.following.blocks
            await until(lambda: relay.statistics().fetches_inbound == FETCHES_INBOUND)
            await world.check_alive(calm)
            statistics = relay.statistics()
            assert statistics.fetches_inbound <= FETCHES_INBOUND
            assert statistics.fetches_outbound <= FETCHES_OUTBOUND

    run_attack(test)


def test_drips_in_all_slots_leave_those_of_outbound_peers(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            real = next_block(world.honest.chain, ALICE)
            fakes = of_works(12, real)

            async def drips(attacker: Attacker, asked: talk.GetBlock) -> None:
                frame = frame_bytes(compact_of(real, asked.number))
                for at in range(200):
                    await attacker.send(StreamKind.BULK, frame[at : at + 1])
                    await trio.sleep(0.1)

            liars = [await world.attacker(handlers={talk.GetBlock: drips}) for _ in fakes]
            for liar, fake in zip(liars, fakes, strict=True):
                await liar.say(talk.Announce(fake))
            await until(
                lambda: (
                    world.target.service.following.blocks.statistics().fetches_inbound
                    == FETCHES_INBOUND
                )
            )
            await world.check_alive(calm)

    run_attack(test)


def test_who_announced_first_and_does_not_give_costs_a_second(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            block = next_block(world.honest.chain, BOB)
            liars = [await world.attacker(handlers={talk.GetBlock: never}) for _ in range(12)]
            for liar in liars:
                await liar.say(talk.Announce(block.header.to_bytes()))
            await until(
                lambda: world.target.service.following.blocks.statistics().fetches_inbound > 0
            )
            await world.check_arrives(block, calm)
            # The others who said they have it are not asked in vain.
            await trio.sleep(0.2)
            assert sum(len(liar.of(talk.GetBlock)) for liar in liars) <= 3
            await world.check_alive(calm)

    run_attack(test)


def test_whom_a_node_prefers_and_who_then_is_slow_costs_a_quarter_second(tmp_path: Path) -> None:
    async def test() -> None:
        async with attack_world(tmp_path) as world:
            calm = await world.calm_s()
            block = next_block(world.honest.chain, BOB)

            async def gives(attacker: Attacker, asked: talk.GetBlock) -> None:
                found = blocks[asked.block_id]
                await attacker.say(compact_of(found, asked.number), proof_of(found, asked.number))

            blocks: dict[bytes, Block] = {}
            friend = await world.attacker(handlers={talk.GetBlock: gives})
            for _ in range(8):
                block = next_block(world.target.chain, BOB)
                blocks[block.header.block_id] = block
                await friend.say(talk.Announce(block.header.to_bytes()))
                await until(lambda: world.target.tip == block.header.block_id)  # noqa: B023
                await until(lambda: world.honest.tip == block.header.block_id)  # noqa: B023
                if friend.of(talk.Prefer):
                    break
            assert [one.push for one in friend.of(talk.Prefer)] == [1]
            block = next_block(world.honest.chain, ALICE)
            await friend.say(compact_of(block, 0))
            await until(lambda: world.target.service.following.blocks.statistics().pushes == 1)
            await world.check_arrives(block, calm)
            assert world.target.service.following.blocks.statistics().pushes <= PUSHES
            world.check_honest()

    run_attack(test)


def test_forged_blocks_of_many_at_once_take_no_more_proofs_than_a_peer_may_cost(
    tmp_path: Path,
) -> None:
    async def test() -> None:
        verifier = Remembering(PARAMS.model)
        async with attack_world(tmp_path, verifier=verifier) as world:
            calm = await world.calm_s()
            real = next_block(world.honest.chain, ALICE)
            lies = [with_false_proof(real, number) for number in range(16)]

            def lying(lie: Block) -> dict[type, object]:
                async def gives(attacker: Attacker, asked: talk.GetBlock) -> None:
                    await attacker.say(compact_of(lie, asked.number), proof_of(lie, asked.number))

                return {talk.GetBlock: gives}

            liars = [await world.attacker(handlers=lying(lie)) for lie in lies]  # type: ignore[arg-type]
            for liar, lie in zip(liars, lies, strict=True):
                await liar.say(talk.Announce(lie.header.to_bytes()))
            await world.check_arrives(real, calm)
            await world.check_alive(calm)
            # What came while the real proof was judged is nobody's fault: its work is settled.
            for liar, lie in zip(liars, lies, strict=True):
                judged = verifier.proofs.count(lie.proof)
                assert judged <= len(liar.of(talk.GetBlock)) <= 1
                if judged:
                    await liar.ended()

    run_attack(test)
