"""What attacks on the relay of blocks have in common."""

from dataclasses import replace

from esper.p2p.actions import End
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.blocks.delivery import Key
from esper.p2p.wire.bulk_messages import Proof
from esper.p2p.wire.talk_messages import GetBlock
from tests.support.block_workshop import Made
from tests.support.net.relay_world import RelayWorld, header_of, parts_of


def block_key(world: RelayWorld, number: PeerNumber) -> Key:
    [key] = [key for key, request in world.open(number) if isinstance(request, GetBlock)]
    return key


def answer_with_header(
    world: RelayWorld, number: PeerNumber, made: Made, header: bytes, proof: bytes
) -> None:
    """What somebody says who made up a header: the parts of a real block under it."""
    parts = parts_of(made)
    key = block_key(world, number)
    request = dict(world.open(number))[key]
    assert isinstance(request, GetBlock)
    compact = replace(parts.compact(lambda _: False, 1), header=header)
    world.answer(number, key, compact, Proof(1, request.block_id, proof))


def drip(world: RelayWorld, ms: int) -> None:
    """Time passes, while those who are asked give nothing; late ones end as requests end them."""
    started = dict.fromkeys(world.asks, world.now)
    for _ in range(ms // 50):
        world.pass_ms(50)
        for key in tuple(world.asks):
            if world.now - started.setdefault(key, world.now) >= 10_000:
                world.end(*key, End.LATE)


def preferred(world: RelayWorld, blocks: list[Made]) -> PeerNumber:
    """A new outbound peer that is told to push, for it was first with these blocks."""
    [friend] = world.outbound(1)
    for made in blocks:
        world.announce(friend, made)
        world.serve(friend, made)
    assert friend in world.preferred()
    return friend


def come_early(world: RelayWorld, made: Made, ms: int) -> int:
    """Sets the clock so that a block comes so much too early; says how much that is."""
    future = world.chain.tip.params.difficulty.future_limit_ms
    world.shift_clock(header_of(made).pre.time_ms - future - ms)
    return ms
